//! What each algorithm makes of a burst around a window's edge: prints a picture as SVG.
//!
//! `cargo run -p sluice-limits --example window_edge > crates/limits/window_edge.svg`
//!
//! One panel an algorithm: bars are what comes and what is admitted in a second, the line is what was admitted in the last
//! minute. The clock is set by the trace, so that the picture is the same every time.

#![allow(clippy::print_stdout)]

use std::time::Duration;

use sluice_limits::{ALGORITHMS, Algorithm, Budget, Keys, ManualClock, Quota, SharedClock};

const LIMIT: u64 = 100;
const WINDOW: usize = 60;
const SECONDS: usize = 180;

/// A panel, and the space around it.
const WIDTH: usize = 360;
const HEIGHT: usize = 130;
/// The strip of bars below it, for at most twenty a second.
const STRIP: usize = 36;
const LEFT: usize = 48;
const TOP: usize = 94;
const BETWEEN: usize = 56;
const LINES_BETWEEN: usize = 66;

/// The top of the scale: more than twice the limit.
const MOST: u64 = 220;

/// How many requests come in a second: a burst around the edge at 60, then a little all the time.
const fn arrivals(second: usize) -> u64 {
    match second {
        50..70 => 20,
        70..160 => 3,
        _ => 0,
    }
}

/// What one algorithm did.
struct Trace {
    admitted: Vec<u64>,
    /// What was admitted in the last window, at the end of each second.
    rolling: Vec<u64>,
}

fn main() {
    let rows = ALGORITHMS.len().div_ceil(2);
    let (width, height) = (2 * (LEFT + WIDTH) + BETWEEN + LEFT / 2, TOP - 20 + rows * (HEIGHT + STRIP + LINES_BETWEEN));
    println!(r#"<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" role="img" aria-labelledby="title">"#);
    println!(r#"  <title id="title">A burst around the edge of a window, by each algorithm</title>"#);
    println!("{STYLE}");
    println!(r#"  <rect class="paper" width="{width}" height="{height}"/>"#);
    println!(r#"  <text class="head" x="{LEFT}" y="26">A burst around the edge of a window: limit {LIMIT} a minute</text>"#);
    legend();
    for (index, algorithm) in ALGORITHMS.iter().enumerate() {
        let x = LEFT + index % 2 * (WIDTH + LEFT + BETWEEN);
        panel(algorithm, &run(algorithm), x, TOP + index / 2 * (HEIGHT + STRIP + LINES_BETWEEN));
    }
    println!("</svg>");
}

/// Plain colours that are told apart in light and in dark, and by those who see fewer.
const STYLE: &str = "  <style>
    text { font: 12px system-ui, sans-serif; fill: #57606a }
    .head { font-size: 16px; font-weight: 600; fill: #1f2328 }
    .name { font-size: 14px; font-weight: 600; fill: #1f2328 }
    .paper { fill: #ffffff }
    .came { fill: #d0d7de }
    .admitted { fill: #0969da }
    .rolling { fill: none; stroke: #bc4c00; stroke-width: 2; stroke-linejoin: round }
    .limit { stroke: #1f2328; stroke-dasharray: 5 4 }
    .grid { stroke: #8c959f; stroke-width: 0.5 }
    @media (prefers-color-scheme: dark) {
      text { fill: #9198a1 }
      .head, .name { fill: #f0f6fc }
      .paper { fill: #0d1117 }
      .came { fill: #3d444d }
      .admitted { fill: #4493f8 }
      .rolling { stroke: #f0883e }
      .limit { stroke: #f0f6fc }
      .grid { stroke: #656c76 }
    }
  </style>";

fn legend() {
    let y = 50;
    let bars = [("came", "came in a second"), ("admitted", "admitted in a second")];
    for (index, (class, text)) in bars.iter().enumerate() {
        let x = LEFT + index * 150;
        println!(r#"  <rect class="{class}" x="{x}" y="{}" width="10" height="10"/>"#, y - 9);
        println!(r#"  <text x="{}" y="{y}">{text}</text>"#, x + 16);
    }
    let lines = [("rolling", "admitted in the last minute"), ("limit", "the limit")];
    for (index, (class, text)) in lines.iter().enumerate() {
        let x = LEFT + 316 + index * 210;
        println!(r#"  <path class="{class}" d="M{x} {y} m0 -4 h18"/>"#);
        println!(r#"  <text x="{}" y="{y}">{text}</text>"#, x + 24);
    }
}

fn run(algorithm: &Algorithm) -> Trace {
    let start = Duration::from_secs(1_800_000_000);
    let clock = ManualClock::at(start);
    let quota = Quota::new(LIMIT, Duration::from_secs(WINDOW as u64));
    let limiter = (algorithm.build)(&quota, SharedClock::new(clock.clone()), &Budget::default()).expect("a sound quota");
    let client = Keys::fixed(0).key(&[b"client"]);
    let in_a_second = |second| {
        let came = arrivals(second);
        let pass = |request: &u64| {
            clock.set(start + Duration::from_secs(second as u64) + Duration::from_nanos(request * 1_000_000_000 / came));
            limiter.check(client, 1).admitted
        };
        (0..came).filter(pass).count() as u64
    };
    let admitted: Vec<u64> = (0..SECONDS).map(in_a_second).collect();
    let rolling = (0..SECONDS).map(|second| admitted[(second + 1).saturating_sub(WINDOW)..=second].iter().sum()).collect();
    Trace { admitted, rolling }
}

fn panel(algorithm: &Algorithm, trace: &Trace, x: usize, y: usize) {
    let at = |second: usize| second * WIDTH / SECONDS;
    let up = |count: u64| HEIGHT - (count.min(MOST) as usize * HEIGHT) / MOST as usize;
    let bottom = HEIGHT + 10 + STRIP;
    let most = trace.rolling.iter().max().copied().unwrap_or(0);
    println!();
    println!(r#"  <g transform="translate({x} {y})">"#);
    println!(r#"    <text class="name" y="-10">{}</text>"#, algorithm.name);
    println!(r#"    <text x="{WIDTH}" y="-10" text-anchor="end">at most {most} in a minute</text>"#);
    for edge in (0..=SECONDS).step_by(WINDOW) {
        println!(r#"    <path class="grid" d="M{} 0 V{bottom}"/>"#, at(edge));
        println!(r#"    <text x="{}" y="{}" text-anchor="middle">{edge} s</text>"#, at(edge), bottom + 17);
    }
    for count in [0, LIMIT, 2 * LIMIT] {
        println!(r#"    <path class="grid" d="M0 {} H{WIDTH}"/>"#, up(count));
        println!(r#"    <text x="-8" y="{}" text-anchor="end">{count}</text>"#, up(count) + 4);
    }
    println!(r#"    <path class="grid" d="M0 {bottom} H{WIDTH}"/>"#);
    println!(r#"    <path class="came" d="{}"/>"#, bars(at, bottom, arrivals));
    println!(r#"    <path class="admitted" d="{}"/>"#, bars(at, bottom, |second| trace.admitted[second]));
    println!(r#"    <path class="limit" d="M0 {} H{WIDTH}"/>"#, up(LIMIT));
    let line: Vec<_> =
        trace.rolling.iter().enumerate().map(|(second, count)| format!("{},{}", at(second + 1), up(*count))).collect();
    println!(r#"    <polyline class="rolling" points="{}"/>"#, line.join(" "));
    println!("  </g>");
}

/// A bar for each second in which something happened, all in one path.
fn bars(at: impl Fn(usize) -> usize, bottom: usize, count: impl Fn(usize) -> u64) -> String {
    let bar = |second| {
        let (left, width) = (at(second), at(second + 1) - at(second));
        let height = count(second) as usize * STRIP / 20;
        (height > 0).then(|| format!("M{left} {bottom}v-{height}h{width}v{height}z"))
    };
    (0..SECONDS).filter_map(bar).collect::<Vec<_>>().join(" ")
}
