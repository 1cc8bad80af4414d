//! Times baking and extraction in Rust against a copy of the same bytes: `bars PICTURE CREDENTIAL ROUNDS`.
//!
//! Prints one line per side, its name and then nanoseconds per call in each round; the sides take turns within a round.

use std::hint::black_box;
use std::time::{Duration, Instant};

use baking::sample::chunk;
use baking::{FOREIGN, bake_png, extract_png, scan_png};

/// A name, and what is timed under it.
type Side<'a> = (&'a str, Box<dyn FnMut() + 'a>);

const TURN: Duration = Duration::from_millis(4);

/// Nanoseconds per call over a turn, the clock read once for every batch.
fn time(work: &mut dyn FnMut()) -> f64 {
    let mut calls = 0_u32;
    let begun = Instant::now();
    loop {
        for _ in 0..32 {
            work();
        }
        calls += 32;
        let taken = begun.elapsed();
        if taken >= TURN {
            return taken.as_secs_f64() * 1e9 / f64::from(calls);
        }
    }
}

/// The same picture with its data drawn out to about 4 MB.
fn enlarged(baked: &[u8]) -> Vec<u8> {
    let filler = chunk(*b"prIv", &vec![0; 4_000_000 - baked.len()]);
    let end = baked.len() - 12;
    [&baked[..end], &filler, &baked[end..]].concat()
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let arguments: Vec<String> = std::env::args().collect();
    let [_, picture, credential, rounds] = &arguments[..] else {
        return Err("usage: bars PICTURE CREDENTIAL ROUNDS".into());
    };
    let (image, payload) = (std::fs::read(picture)?, std::fs::read(credential)?);
    let rounds: usize = rounds.parse()?;
    let plan = scan_png(&image, &FOREIGN)?;
    let baked = bake_png(&image, &payload, Some(&plan), false, &FOREIGN)?.to_vec();
    let large = enlarged(&baked);
    scan_png(&large, &FOREIGN)?;
    let bake = |plan| bake_png(black_box(&image), black_box(&payload), plan, false, &FOREIGN).map(|baked| baked.to_vec());
    let mut sides: Vec<Side<'_>> = vec![
        ("copy", Box::new(|| drop(black_box(black_box(&image).clone())))),
        ("bake with plan", Box::new(|| drop(black_box(bake(Some(&plan)))))),
        ("bake validated", Box::new(|| drop(black_box(bake(None))))),
        ("scan", Box::new(|| drop(black_box(scan_png(black_box(&image), &FOREIGN))))),
        ("extract", Box::new(|| drop(black_box(extract_png(black_box(&baked), false, &FOREIGN))))),
        ("extract from 4 MB", Box::new(|| drop(black_box(extract_png(black_box(&large), false, &FOREIGN))))),
    ];
    let mut taken = vec![Vec::new(); sides.len()];
    for round in 0..=rounds {
        for ((_, work), figures) in sides.iter_mut().zip(&mut taken) {
            let figure = time(&mut **work);
            if round > 0 {
                figures.push(figure);
            }
        }
    }
    for ((name, _), figures) in sides.iter().zip(&taken) {
        let shown: Vec<String> = figures.iter().map(|figure| format!("{figure:.1}")).collect();
        println!("{name}: {}", shown.join(" "));
    }
    Ok(())
}
