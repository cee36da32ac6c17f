//! Pictures of a simulation, as SVG.

use std::ops::Range;
use std::path::{Path, PathBuf};
use std::time::Duration;

use plotters::prelude::*;

use crate::Error;
use crate::tally::{BIN, minute};

/// Panels below each other.
pub(crate) struct Picture {
    pub(crate) file: &'static str,
    pub(crate) title: &'static str,
    pub(crate) panels: Vec<Panel>,
}

/// Values by minute, of a part of the time.
pub(crate) struct Panel {
    pub(crate) label: &'static str,
    pub(crate) range: Range<Duration>,
    pub(crate) series: Vec<Series>,
    pub(crate) levels: Vec<Level>,
}

/// A value a minute, from the start of the simulation.
pub(crate) struct Series {
    pub(crate) name: &'static str,
    pub(crate) values: Vec<f64>,
}

/// A horizontal line: what the values are compared with.
pub(crate) struct Level {
    name: &'static str,
    value: f64,
    color: RGBColor,
}

impl Level {
    pub(crate) const fn mean(name: &'static str, value: f64) -> Self {
        let color = GRAY;
        Self { name, value, color }
    }

    pub(crate) const fn limit(name: &'static str, value: f64) -> Self {
        let color = RED;
        Self { name, value, color }
    }
}

impl Picture {
    /// Writes it into a folder; tells where.
    pub(crate) fn write(&self, folder: &Path) -> Result<PathBuf, Error> {
        let path = folder.join(self.file).with_extension("svg");
        let panels = self.panels.len();
        let height = HEAD_HEIGHT + PANEL_HEIGHT * u32::try_from(panels)?;
        let area = SVGBackend::new(&path, (WIDTH, height)).into_drawing_area();
        area.fill(&WHITE)?;
        let below = area.titled(self.title, ("sans-serif", 20))?;
        for (panel, area) in self.panels.iter().zip(below.split_evenly((panels, 1))) {
            panel.draw(&area)?;
        }
        area.present()?;
        Ok(path.clone())
    }
}

impl Panel {
    fn draw(
        &self,
        area: &DrawingArea<SVGBackend<'_>, plotters::coord::Shift>,
    ) -> Result<(), Error> {
        let (start, end) = (hours(self.range.start), hours(self.range.end));
        let lines: Vec<_> = self
            .series
            .iter()
            .map(|series| self.points(series))
            .collect();
        let highest = lines
            .iter()
            .flatten()
            .map(|(_, value)| *value)
            .chain(self.levels.iter().map(|level| level.value))
            .fold(1.0, f64::max);
        let mut chart = ChartBuilder::on(area)
            .margin(10)
            .x_label_area_size(34)
            .y_label_area_size(60)
            .build_cartesian_2d(start..end, 0.0..highest * 1.4)?;
        chart
            .configure_mesh()
            .light_line_style(TRANSPARENT)
            .x_desc("hours since the start")
            .y_desc(self.label)
            .x_labels(14)
            .y_labels(6)
            .x_label_formatter(&|hours| format!("{}", (hours * 100.0).round() / 100.0))
            .y_label_formatter(&|value| value.to_string())
            .label_style(("sans-serif", 12))
            .axis_desc_style(("sans-serif", 13))
            .draw()?;
        for level in &self.levels {
            let style = level.color.stroke_width(1);
            chart
                .draw_series(LineSeries::new(
                    [(start, level.value), (end, level.value)],
                    style,
                ))?
                .label(level.name)
                .legend(move |(x, y)| PathElement::new([(x, y), (x + 20, y)], style));
        }
        for ((series, line), color) in self.series.iter().zip(lines).zip([BLUE, MAGENTA]) {
            let style = color.stroke_width(1);
            chart
                .draw_series(LineSeries::new(line, style))?
                .label(self.legend(series))
                .legend(move |(x, y)| PathElement::new([(x, y), (x + 20, y)], style));
        }
        chart
            .configure_series_labels()
            .position(SeriesLabelPosition::UpperRight)
            .background_style(WHITE.mix(0.85))
            .label_font(("sans-serif", 12))
            .draw()?;
        Ok(())
    }

    /// At most one point a column of pixels: the highest of its minutes, so that no peak is lost.
    fn points(&self, series: &Series) -> Vec<(f64, f64)> {
        let minutes_a_point = self.minutes_a_point();
        let step = hours(BIN) * f64::from(u32::try_from(minutes_a_point).unwrap_or(u32::MAX));
        let mut at = hours(self.range.start) - step;
        let (first, last) = (minute(self.range.start), minute(self.range.end));
        let values: Vec<f64> = series
            .values
            .iter()
            .copied()
            .take(last)
            .skip(first)
            .collect();
        values
            .chunks(minutes_a_point)
            .map(|minutes| {
                at += step;
                (at, minutes.iter().copied().fold(0.0, f64::max))
            })
            .collect()
    }

    fn minutes_a_point(&self) -> usize {
        let minutes = minute(self.range.end).saturating_sub(minute(self.range.start));
        minutes.div_ceil(MOST_POINTS).max(1)
    }

    fn legend(&self, series: &Series) -> String {
        match self.minutes_a_point() {
            1 => series.name.to_owned(),
            minutes => format!("{}, the highest of {minutes}", series.name),
        }
    }
}

fn hours(time: Duration) -> f64 {
    time.as_secs_f64() / 3_600.0
}

const WIDTH: u32 = 900;
const HEAD_HEIGHT: u32 = 40;
const PANEL_HEIGHT: u32 = 280;
const MOST_POINTS: usize = 800;
const GRAY: RGBColor = RGBColor(110, 110, 110);
const BLUE: RGBColor = RGBColor(25, 95, 180);
const MAGENTA: RGBColor = RGBColor(190, 60, 130);
