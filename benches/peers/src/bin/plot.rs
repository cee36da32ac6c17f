//! Draws what `ratios` and scripts/measure-load have written: `plot RATIOS LOAD FOLDER` makes peers.svg and
//! load.svg in the folder.

use std::fs::read_to_string;
use std::path::Path;

use plotters::prelude::*;
use plotters::style::text_anchor::{HPos, Pos, VPos};
use portcullis_peers::Error;

fn main() -> Result<(), Error> {
    let mut arguments = std::env::args().skip(1);
    let (Some(ratios), Some(load), Some(folder)) =
        (arguments.next(), arguments.next(), arguments.next())
    else {
        return Err("plot RATIOS LOAD FOLDER".into());
    };
    let folder = Path::new(&folder);

    let ratios = table(&ratios)?;
    let mut bars = Vec::new();
    let names: Vec<_> = ratios.iter().map(|row| &row[0]).collect();
    for (n, name) in names.iter().enumerate() {
        let measured = !name.contains("floor") && !name.contains("empty service");
        if !measured || names[..n].contains(name) {
            continue;
        }
        let first = bars.is_empty();
        let rows = ratios.iter().filter(|row| row[0] == **name);
        for (n, (row, color)) in rows.zip(COLORS).enumerate() {
            let value = row[2].parse()?;
            // A hit is so small that two digits would hide it.
            let text = format!("{value:.*}", if value < 0.1 { 3 } else { 2 });
            bars.push(Bar {
                label: if n == 0 {
                    row[0].clone()
                } else {
                    String::new()
                },
                gap: if n == 0 { 8 } else { 0 },
                value,
                // The first bars tell what the colors mean.
                text: if first {
                    format!("{text} {}", row[1])
                } else {
                    text
                },
                color,
            });
        }
    }
    let title = "What it takes to verify a token, × the signature check alone";
    draw(&folder.join("peers.svg"), title, &bars)?;

    let mut bars = Vec::new();
    let mut table_before = String::new();
    for row in table(&load)? {
        if row[0] != table_before {
            table_before.clone_from(&row[0]);
            bars.push(Bar {
                label: format!("{}:", row[0]),
                gap: 12,
                ..Bar::default()
            });
        }
        let value: f64 = row[2].parse()?;
        bars.push(Bar {
            label: row[1].clone(),
            gap: 3,
            value,
            text: format!("{:.1}", value / 1_000.0),
            color: if row[1].starts_with("portcullis") {
                COLORS[0]
            } else {
                GRAY
            },
        });
    }
    let title = "Thousand requests a second, of one worker thread over loopback";
    draw(&folder.join("load.svg"), title, &bars)?;
    Ok(())
}

fn table(path: &str) -> Result<Vec<Vec<String>>, Error> {
    let text = read_to_string(path).map_err(|error| format!("{path}: {error}"))?;
    let row = |line: &str| line.split('\t').map(str::to_owned).collect::<Vec<_>>();
    let rows: Vec<_> = text.lines().skip(1).map(row).collect();
    match rows.iter().all(|row| row.len() > 2) {
        true => Ok(rows),
        false => Err(format!("{path}: a row without figures").into()),
    }
}

#[derive(Default)]
struct Bar {
    label: String,
    /// Pixels above it.
    gap: i32,
    value: f64,
    text: String,
    color: RGBColor,
}

/// Horizontal bars below each other, on white, so that the picture is read on any page.
fn draw(path: &Path, title: &str, bars: &[Bar]) -> Result<(), Error> {
    let height = TOP + bars.iter().map(|bar| bar.gap + THICK).sum::<i32>() + 12;
    let longest = bars.iter().map(|bar| bar.value).fold(0.0, f64::max);
    let area = SVGBackend::new(path, (WIDTH, height.try_into()?)).into_drawing_area();
    area.fill(&WHITE)?;
    let font = |size| ("sans-serif", size).into_font().color(&BLACK);
    let label = font(12).pos(Pos::new(HPos::Right, VPos::Center));
    let figure = font(11).pos(Pos::new(HPos::Left, VPos::Center));
    area.draw(&Text::new(title, (12, 10), font(15)))?;
    let mut y = TOP;
    for bar in bars {
        y += bar.gap;
        let middle = y + THICK / 2;
        // Saturates, and is never far from the width.
        let end = LEFT + (bar.value / longest * LENGTH) as i32;
        let corners = [(LEFT, y + 1), (end, y + THICK - 1)];
        area.draw(&Text::new(&*bar.label, (LEFT - 8, middle), label.clone()))?;
        if !bar.text.is_empty() {
            area.draw(&Rectangle::new(corners, bar.color.filled()))?;
            area.draw(&Text::new(&*bar.text, (end + 5, middle), figure.clone()))?;
        }
        y += THICK;
    }
    area.present()?;
    Ok(())
}

const WIDTH: u32 = 760;
const TOP: i32 = 32;
/// Where the bars begin, how long the longest is, and how thick each.
const LEFT: i32 = 270;
const LENGTH: f64 = 430.0;
const THICK: i32 = 13;
const GRAY: RGBColor = RGBColor(125, 125, 125);
const COLORS: [RGBColor; 3] = [
    RGBColor(25, 95, 180),
    RGBColor(190, 60, 130),
    RGBColor(110, 110, 110),
];
