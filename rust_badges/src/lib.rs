//! The Python side of the crate `baking`: types are translated, errors are raised, the interpreter lock is given up for large inputs.

#![deny(unsafe_code)]

use std::mem::MaybeUninit;

use baking::{Error, Inspection, Kind};
use pyo3::call::PyCallArgs;
use pyo3::exceptions::PyValueError;
use pyo3::ffi;
use pyo3::prelude::*;
use pyo3::sync::PyOnceLock;
use pyo3::types::{PyBytes, PyDict, PyTuple, PyType};

/// Inputs above this size are worked on without the interpreter lock; below it, giving the lock up costs more than it frees.
const LARGE: usize = 64 * 1024;

/// A class that the Python half of the package defines.
struct Class {
    module: &'static str,
    name: &'static str,
    object: PyOnceLock<Py<PyType>>,
}

impl Class {
    const fn new(module: &'static str, name: &'static str) -> Self {
        Self { module, name, object: PyOnceLock::new() }
    }

    fn make<'py>(&self, py: Python<'py>, arguments: impl PyCallArgs<'py>) -> PyResult<Bound<'py, PyAny>> {
        self.object.import(py, self.module, self.name)?.call1(arguments)
    }
}

static BAKE_ERROR: Class = Class::new("scimsrv_badges._errors", "BakeError");
static EXTRACTED: Class = Class::new("scimsrv_badges._results", "Extracted");
static CHUNK: Class = Class::new("scimsrv_badges._results", "Chunk");
static FOUND: Class = Class::new("scimsrv_badges._results", "Found");
static INSPECTION: Class = Class::new("scimsrv_badges._results", "Inspection");

/// The error as the package's exception.
fn raised(py: Python<'_>, error: &Error) -> PyErr {
    match BAKE_ERROR.make(py, (error.kind.name(), error.offset, error.message())) {
        Ok(exception) => PyErr::from_value(exception),
        Err(failure) => failure,
    }
}

/// Runs `work`, without the interpreter lock where `size` is large.
fn released<T: Send>(py: Python<'_>, size: usize, work: impl FnOnce() -> Result<T, Error> + Send) -> PyResult<T> {
    let done = if size > LARGE { py.detach(work) } else { work() };
    done.map_err(|error| raised(py, &error))
}

macro_rules! limits_class {
    ($($name:ident)*) => {
        /// Sizes are bytes, dimensions are pixels. The defaults are ceilings: a larger value, or one below 1, raises `ValueError`.
        #[pyclass(frozen, eq, hash, module = "scimsrv_badges")]
        #[derive(Debug, Clone, PartialEq, Eq, Hash)]
        struct Limits(baking::Limits);

        #[pymethods]
        impl Limits {
            #[new]
            #[pyo3(signature = (*, $($name = baking::FOREIGN.$name),*))]
            #[allow(clippy::too_many_arguments)]
            fn new($($name: usize),*) -> PyResult<Self> {
                let limits = baking::Limits { $($name),* };
                match limits.exceeded() {
                    None => Ok(Self(limits)),
                    Some((name, most)) => Err(PyValueError::new_err(format!("{name} must be from 1 to {most}"))),
                }
            }

            $(
                #[getter]
                fn $name(&self) -> usize {
                    self.0.$name
                }
            )*

            fn __repr__(&self) -> String {
                let fields = [$(format!("{}={}", stringify!($name), self.0.$name)),*];
                format!("Limits({})", fields.join(", "))
            }
        }
    };
}

limits_class! {
    png_bytes width height area chunks ancillary_chunks text_bytes inflated_bytes svg_bytes depth elements attributes attribute_bytes
    verify_bytes
}

fn limits_or<'a>(limits: Option<&'a Limits>, otherwise: &'a baking::Limits) -> &'a baking::Limits {
    limits.map_or(otherwise, |limits| &limits.0)
}

/// What a scan of a PNG found; see the Python stub.
#[pyclass(frozen, eq, hash, module = "scimsrv_badges")]
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
struct PngPlan(baking::PngPlan);

#[pymethods]
impl PngPlan {
    #[getter]
    fn size(&self) -> u32 {
        self.0.size()
    }

    #[getter]
    fn header_crc(&self) -> u32 {
        self.0.header_crc()
    }

    #[getter]
    fn chunks(&self) -> u32 {
        self.0.chunks()
    }

    #[getter]
    fn existing<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyTuple>> {
        PyTuple::new(py, self.0.existing())
    }

    /// Return the plan as bytes that `from_bytes` reads.
    fn to_bytes<'py>(&self, py: Python<'py>) -> Bound<'py, PyBytes> {
        PyBytes::new(py, &self.0.to_bytes())
    }

    /// Read a stored plan.
    #[staticmethod]
    fn from_bytes(py: Python<'_>, stored: &[u8]) -> PyResult<Self> {
        baking::PngPlan::from_bytes(stored).map(Self).map_err(|error| raised(py, &error))
    }

    fn __repr__(&self) -> String {
        format!(
            "PngPlan(size={}, header_crc={}, chunks={}, existing={:?})",
            self.size(),
            self.header_crc(),
            self.chunks(),
            self.0.existing()
        )
    }
}

/// Validate a PNG with all its checksums and return the plan for baking into it.
#[pyfunction]
#[pyo3(signature = (image, *, limits = None))]
fn scan_png(py: Python<'_>, image: &[u8], limits: Option<&Limits>) -> PyResult<PngPlan> {
    let limits = limits_or(limits, &baking::FOREIGN);
    released(py, image.len(), || baking::scan_png(image, limits)).map(PngPlan)
}

/// Return the PNG with a credential in it.
#[pyfunction]
#[pyo3(signature = (image, payload, *, plan = None, overwrite = false, limits = None))]
fn bake_png<'py>(
    py: Python<'py>,
    image: &[u8],
    payload: &[u8],
    plan: Option<&PngPlan>,
    overwrite: bool,
    limits: Option<&Limits>,
) -> PyResult<Bound<'py, PyBytes>> {
    let limits = limits_or(limits, &baking::FOREIGN);
    let plan = plan.map(|plan| &plan.0);
    let size = if plan.is_some() { payload.len() } else { image.len() };
    let baked = released(py, size, || baking::bake_png(image, payload, plan, overwrite, limits))?;
    bytes_of(py, &baked)
}

/// The baked picture as a bytes object that is written once: `PyO3`'s own way to fill one writes zeros first, a third of the time.
#[allow(unsafe_code)]
fn bytes_of<'py>(py: Python<'py>, baked: &baking::BakedPng<'_>) -> PyResult<Bound<'py, PyBytes>> {
    let length = baked.length();
    let size = ffi::Py_ssize_t::try_from(length)?;
    // SAFETY: without a source the function makes an object of `size` bytes that nothing else refers to, or raises MemoryError.
    let object = unsafe { Bound::from_owned_ptr_or_err(py, ffi::PyBytes_FromStringAndSize(std::ptr::null(), size))? };
    let object = object.cast_into::<PyBytes>()?;
    // SAFETY: the `length` bytes of the object are there to be written until it is handed out, and are not read before.
    let buffer = unsafe {
        let start = ffi::PyBytes_AsString(object.as_ptr()).cast::<MaybeUninit<u8>>();
        std::slice::from_raw_parts_mut(start, length)
    };
    let written = released(py, length, || Ok(baked.write_to(buffer)))?;
    assert_eq!(written, length, "a baked picture is as long as it says");
    Ok(object)
}

/// Return uploaded art without text chunks, eXIf and what follows IEND.
#[pyfunction]
#[pyo3(signature = (image, *, limits = None))]
fn strip_png<'py>(py: Python<'py>, image: &[u8], limits: Option<&Limits>) -> PyResult<Bound<'py, PyBytes>> {
    let limits = limits_or(limits, &baking::UPLOAD);
    let stripped = released(py, image.len(), || baking::strip_png(image, limits))?;
    Ok(PyBytes::new(py, &stripped))
}

/// Return the credential in a PNG.
#[pyfunction]
#[pyo3(signature = (image, *, strict = false, limits = None))]
fn extract_png<'py>(py: Python<'py>, image: &[u8], strict: bool, limits: Option<&Limits>) -> PyResult<Option<Bound<'py, PyAny>>> {
    let limits = limits_or(limits, &baking::FOREIGN);
    let found = released(py, image.len(), || baking::extract_png(image, strict, limits))?;
    found.map(|found| extracted(py, &found)).transpose()
}

/// Return the SVG with a credential in it.
#[pyfunction]
#[pyo3(signature = (image, payload, *, overwrite = false, limits = None))]
fn bake_svg<'py>(py: Python<'py>, image: &[u8], payload: &[u8], overwrite: bool, limits: Option<&Limits>) -> PyResult<Bound<'py, PyBytes>> {
    let limits = limits_or(limits, &baking::FOREIGN);
    let baked = released(py, image.len(), || baking::bake_svg(image, payload, overwrite, limits))?;
    Ok(PyBytes::new(py, &baked))
}

/// Return the credential in an SVG.
#[pyfunction]
#[pyo3(signature = (image, *, strict = false, limits = None))]
fn extract_svg<'py>(py: Python<'py>, image: &[u8], strict: bool, limits: Option<&Limits>) -> PyResult<Option<Bound<'py, PyAny>>> {
    let limits = limits_or(limits, &baking::FOREIGN);
    let found = released(py, image.len(), || baking::extract_svg(image, strict, limits))?;
    found.map(|found| extracted(py, &found)).transpose()
}

/// Return uploaded art without document type and what drawing programs keep for themselves.
#[pyfunction]
#[pyo3(signature = (image, *, limits = None))]
fn check_svg_art<'py>(py: Python<'py>, image: &[u8], limits: Option<&Limits>) -> PyResult<Bound<'py, PyBytes>> {
    let limits = limits_or(limits, &baking::UPLOAD);
    let checked = released(py, image.len(), || baking::check_svg_art(image, limits))?;
    Ok(PyBytes::new(py, &checked))
}

/// Validate a picture of either kind and say what it consists of.
#[pyfunction]
#[pyo3(signature = (image, *, limits = None))]
fn inspect<'py>(py: Python<'py>, image: &[u8], limits: Option<&Limits>) -> PyResult<Bound<'py, PyAny>> {
    let limits = limits_or(limits, &baking::FOREIGN);
    match released(py, image.len(), || baking::inspect(image, limits))? {
        Inspection::Png { width, height, chunks, trailing, found } => {
            let chunks: Vec<_> = chunks
                .iter()
                .map(|one| CHUNK.make(py, (String::from_utf8_lossy(&one.kind).into_owned(), one.offset, one.length)))
                .collect::<PyResult<_>>()?;
            INSPECTION.make(py, ("png", width, height, PyTuple::new(py, chunks)?, trailing, 0, all_found(py, &found)?))
        }
        Inspection::Svg { elements, found } => {
            INSPECTION.make(py, ("svg", py.None(), py.None(), PyTuple::empty(py), 0, elements, all_found(py, &found)?))
        }
    }
}

fn all_found<'py>(py: Python<'py>, found: &[baking::Found]) -> PyResult<Bound<'py, PyTuple>> {
    let found: Vec<_> = found.iter().map(|one| FOUND.make(py, (one.form, one.start, one.end))).collect::<PyResult<_>>()?;
    PyTuple::new(py, found)
}

fn extracted<'py>(py: Python<'py>, found: &baking::Extracted<'_>) -> PyResult<Bound<'py, PyAny>> {
    let warnings = PyTuple::new(py, found.warnings.iter().map(|kind| kind.name()))?;
    EXTRACTED.make(py, (PyBytes::new(py, &found.payload), found.form, found.content, found.offset, warnings))
}

/// What `scimsrv_badges` is made of.
#[pymodule]
fn _native(module: &Bound<'_, PyModule>) -> PyResult<()> {
    let py = module.py();
    module.add_class::<Limits>()?;
    module.add_class::<PngPlan>()?;
    module.add("__version__", env!("CARGO_PKG_VERSION"))?;
    module.add("FOREIGN", Limits(baking::FOREIGN))?;
    module.add("UPLOAD", Limits(baking::UPLOAD))?;
    let kinds = PyDict::new(py);
    for kind in Kind::ALL {
        kinds.set_item(kind.name(), kind.sentence())?;
    }
    module.add("KINDS", kinds)?;
    let allowed = PyDict::new(py);
    for (name, list) in [
        ("ELEMENTS", baking::ELEMENTS),
        ("ATTRIBUTES", baking::ATTRIBUTES),
        ("XLINK_ATTRIBUTES", baking::XLINK_ATTRIBUTES),
        ("XML_ATTRIBUTES", baking::XML_ATTRIBUTES),
        ("ANIMATION_ONLY", baking::ANIMATION_ONLY),
        ("CUT", baking::CUT),
    ] {
        allowed.set_item(name, PyTuple::new(py, list)?)?;
    }
    module.add("ALLOWED", allowed)?;
    module.add_function(wrap_pyfunction!(scan_png, module)?)?;
    module.add_function(wrap_pyfunction!(bake_png, module)?)?;
    module.add_function(wrap_pyfunction!(strip_png, module)?)?;
    module.add_function(wrap_pyfunction!(extract_png, module)?)?;
    module.add_function(wrap_pyfunction!(bake_svg, module)?)?;
    module.add_function(wrap_pyfunction!(extract_svg, module)?)?;
    module.add_function(wrap_pyfunction!(check_svg_art, module)?)?;
    module.add_function(wrap_pyfunction!(inspect, module)?)
}
