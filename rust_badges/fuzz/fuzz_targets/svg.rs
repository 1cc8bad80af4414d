//! Whatever the bytes: no panic, what is baked is found again, baking again changes nothing, and checked art passes the check.

#![no_main]

use baking::{FOREIGN, UPLOAD, bake_svg, check_svg_art, extract_svg, inspect};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|image: &[u8]| {
    let payload = b"{\"id\":\"urn:uuid:1\"}";
    let _ = inspect(image, &FOREIGN);
    let _ = extract_svg(image, true, &FOREIGN);
    if let Ok(checked) = check_svg_art(image, &UPLOAD) {
        assert_eq!(check_svg_art(&checked, &UPLOAD).as_deref(), Ok(&*checked));
    }
    if let Ok(baked) = bake_svg(image, payload, true, &FOREIGN) {
        let found = extract_svg(&baked, true, &FOREIGN).expect("readable").expect("there");
        assert_eq!(&*found.payload, payload);
        assert_eq!(bake_svg(&baked, payload, true, &FOREIGN).as_deref(), Ok(&*baked));
    }
});
