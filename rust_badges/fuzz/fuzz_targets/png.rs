//! Whatever the bytes: no panic, and what is baked is found again and leaves the original when it is taken out.

#![no_main]

use baking::{FOREIGN, UPLOAD, bake_png, extract_png, inspect, scan_png, strip_png};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|image: &[u8]| {
    let payload = b"{\"id\":\"urn:uuid:1\"}";
    let _ = inspect(image, &FOREIGN);
    let _ = extract_png(image, false, &FOREIGN);
    let _ = extract_png(image, true, &FOREIGN);
    if let Ok(stripped) = strip_png(image, &UPLOAD) {
        assert_eq!(strip_png(&stripped, &UPLOAD).as_deref(), Ok(&*stripped));
    }
    if let Ok(plan) = scan_png(image, &FOREIGN)
        && let Ok(baked) = bake_png(image, payload, Some(&plan), true, &FOREIGN)
    {
        let baked = baked.to_vec();
        let found = extract_png(&baked, true, &FOREIGN).expect("readable").expect("there");
        assert_eq!(&*found.payload, payload);
        if plan.existing().is_empty() {
            assert_eq!([&baked[..33], &baked[33 + 36 + payload.len()..]].concat(), image);
        }
    }
});
