//! What happens to the fleet, which figures it must keep, and what is drawn of it.

use std::time::Duration;

use crate::figures::{Figure, Row, at_most, none_refused, within};
use crate::fleet;
use crate::instance::World;
use crate::issuer::{Issuer, Rotation};
use crate::options::Options;
use crate::plot::{Level, Panel, Picture, Series};
use crate::tally::{BIN, Tally};
use crate::traffic::Traffic;

/// What a simulation came to.
pub(crate) struct Outcome {
    pub(crate) rows: Vec<Row>,
    pub(crate) figures: Vec<Figure>,
    pub(crate) picture: Picture,
}

/// One after the other, each over the whole fleet on all cores.
pub(crate) const ALL: [fn(&Options) -> Outcome; 5] = [
    deploy,
    rotation_with_overlap,
    rotation_without_overlap,
    outage,
    flood,
];

fn deploy(options: &Options) -> Outcome {
    let (settled, end) = (settled(options), end(options));
    let mut world = world(options);
    world.started_within = SECOND;
    let empty = Tally::new(end, Duration::ZERO..HOUR);
    let tally = fleet::simulate(&world, options, &empty);
    let steady = tally.load(&(settled..end));
    let rows = vec![
        Row::new(
            "deploy of all at once, first 15 refresh periods",
            Duration::ZERO..settled,
            steady.mean,
            &tally,
        ),
        Row::new(
            "steady state after it, to the end",
            settled..end,
            steady.mean,
            &tally,
        ),
    ];
    let limit = 2.0 * steady.mean;
    Outcome {
        figures: vec![
            at_most(
                "peak / mean from 15 refresh periods after a deploy of all at once",
                steady.peak / steady.mean,
                2.0,
            ),
            none_refused("tokens refused in and after a deploy", &rows),
        ],
        rows,
        picture: Picture {
            file: "deploy",
            title: "Deploy of all instances at once",
            panels: vec![
                Panel {
                    range: Duration::ZERO..settled * 2,
                    levels: vec![
                        mean_level(steady.mean),
                        Level::limit("2 × mean, the limit from 15 refresh periods on", limit),
                    ],
                    ..Panel::rates("fetches/s, from the deploy on", &tally)
                },
                Panel {
                    range: settled..end,
                    levels: vec![mean_level(steady.mean), Level::limit("2 × mean", limit)],
                    ..Panel::rates("fetches/s, from 15 refresh periods on", &tally)
                },
            ],
        },
    }
}

fn rotation_with_overlap(options: &Options) -> Outcome {
    let rotation = Rotation {
        publish: EVENT,
        sign: EVENT + HOUR,
        // The last token of the old key has expired by then.
        withdraw: EVENT + HOUR + options.token_lifetime.max(HOUR),
    };
    let files = (
        "rotation-with-overlap",
        "Rotation with overlap: published an hour before it signs",
    );
    rotate(options, "rotation with overlap", files, &rotation)
}

fn rotation_without_overlap(options: &Options) -> Outcome {
    let rotation = Rotation {
        publish: EVENT,
        sign: EVENT,
        withdraw: EVENT,
    };
    let files = (
        "rotation-without-overlap",
        "Rotation without overlap: the old key goes as the new one comes",
    );
    rotate(options, "rotation without overlap", files, &rotation)
}

fn rotate(
    options: &Options,
    name: &'static str,
    (file, title): (&'static str, &'static str),
    rotation: &Rotation,
) -> Outcome {
    let mut world = world(options);
    world.issuer.rotation = Some(rotation.clone());
    let empty = Tally::new(world.end, EVENT..EVENT + HOUR);
    let tally = fleet::simulate(&world, options, &empty);
    let steady = tally.load(&(settled(options)..EVENT));
    let row =
        Row::new(name, EVENT..end(options), steady.mean, &tally).rotated(rotation, options, &tally);
    let range = EVENT - HOUR / 2..rotation.withdraw + 2 * HOUR;
    let figures = vec![
        within(
            "all instances know the new key",
            row.all_know,
            learns_within(options),
        ),
        within(
            "longest acceptance of the withdrawn key",
            row.withdrawn_accepted,
            learns_within(options) + GRACE,
        ),
        none_refused(
            "honest tokens refused in a rotation",
            std::slice::from_ref(&row),
        ),
    ];
    Outcome {
        rows: vec![row],
        figures,
        picture: Picture {
            file,
            title,
            panels: vec![
                Panel {
                    range: range.clone(),
                    levels: vec![mean_level(steady.mean)],
                    ..Panel::rates("fetches/s", &tally)
                },
                Panel {
                    range,
                    ..shares(&tally, options)
                },
            ],
        },
    }
}

fn outage(options: &Options) -> Outcome {
    let outage = EVENT..EVENT + 6 * HOUR;
    let mut world = world(options);
    world.issuer.outage = Some(outage.clone());
    let empty = Tally::new(world.end, outage.end..outage.end + HOUR);
    let tally = fleet::simulate(&world, options, &empty);
    let steady = tally.load(&(settled(options)..outage.start));
    let recovery = outage.end..end(options);
    let after = tally.load(&recovery);
    let rows = vec![
        Row::new(
            "6 h outage, attempts during it",
            outage.clone(),
            steady.mean,
            &tally,
        ),
        Row::new(
            "recovery after it, to the end",
            recovery,
            steady.mean,
            &tally,
        ),
    ];
    Outcome {
        figures: vec![
            at_most(
                "peak / mean after a 6 h outage",
                after.peak / steady.mean,
                5.0,
            ),
            none_refused("tokens refused in and after a 6 h outage", &rows),
        ],
        rows,
        picture: Picture {
            file: "outage",
            title: "Outage of 6 h, and the recovery",
            panels: vec![Panel {
                range: outage.start - HOUR..outage.end + 3 * HOUR,
                levels: vec![
                    mean_level(steady.mean),
                    Level::limit("5 × mean, the limit after the outage", 5.0 * steady.mean),
                ],
                ..Panel::rates("fetches/s, those in vain included", &tally)
            }],
        },
    }
}

fn flood(options: &Options) -> Outcome {
    let flood = EVENT - 12 * HOUR..EVENT + 12 * HOUR;
    let rotation = Rotation {
        publish: EVENT,
        sign: EVENT,
        withdraw: EVENT,
    };
    let mut world = world(options);
    world.traffic.flood = Some(flood.clone());
    world.issuer.rotation = Some(rotation.clone());
    let watched = [flood.start..EVENT, EVENT..flood.end];
    let mut empty = Tally::new(world.end, EVENT - HOUR..EVENT);
    empty.watched.extend(watched.clone());
    let tally = fleet::simulate(&world, options, &empty);
    let steady = tally.load(&(settled(options)..flood.start));
    let row = Row::new(
        "flood of invented key ids for 24 h, a rotation without overlap in it",
        flood.clone(),
        steady.mean,
        &tally,
    )
    .rotated(&rotation, options, &tally);
    let grown = watched.map(|watch| tally.load(&(watch.start + GROWN..watch.end)));
    let busiest = grown.iter().map(|load| load.peak).fold(0.0, f64::max);
    let instances = f64::from(options.instances);
    let limit = instances / BIN.as_secs_f64();
    let one_arrival = LONGEST_PAUSE.div_f64(options.invented.max(1.0));
    let figures = vec![
        at_most(
            "fetches a minute an instance in a flood, busiest minute, 2 min after its start and after the rotation",
            (busiest * BIN.as_secs_f64()).round() / instances,
            1.0,
        ),
        within(
            "last fetch less than a minute after that instance's last, since the start or the rotation",
            Some(tally.last_hasty.unwrap_or_default()),
            GROWN,
        ),
        within(
            "all instances know a key rotated in during a flood",
            row.all_know,
            UNKNOWN_KEY_INTERVAL + one_arrival,
        ),
        within(
            "longest acceptance of the key withdrawn in a flood",
            row.withdrawn_accepted,
            UNKNOWN_KEY_INTERVAL + one_arrival + GRACE,
        ),
    ];
    Outcome {
        rows: vec![row],
        figures,
        picture: Picture {
            file: "flood",
            title: "Flood of invented key ids at every instance, with a rotation in it",
            panels: vec![
                Panel {
                    range: flood.start - HOUR..flood.end + HOUR,
                    levels: vec![
                        mean_level(steady.mean),
                        Level::limit("one a minute an instance", limit),
                    ],
                    ..Panel::rates("fetches/s", &tally)
                },
                Panel {
                    range: EVENT - HOUR / 2..EVENT + 2 * HOUR,
                    ..shares(&tally, options)
                },
            ],
        },
    }
}

/// A fleet in its steady state: instances have started at random within a refresh period.
fn world(options: &Options) -> World {
    World {
        issuer: Issuer {
            max_age: options.max_age,
            rotation: None,
            outage: None,
        },
        traffic: Traffic {
            requests: options.requests,
            token_lifetime: options.token_lifetime,
            invented: options.invented,
            flood: None,
        },
        started_within: refresh_period(options),
        end: end(options),
    }
}

fn end(options: &Options) -> Duration {
    24 * HOUR * options.days
}

fn refresh_period(options: &Options) -> Duration {
    options.max_age.mul_f64(REFRESH_AT)
}

fn settled(options: &Options) -> Duration {
    15 * refresh_period(options)
}

/// In steady use without unknown keys: the latest refresh, the first request after it, its answer.
fn learns_within(options: &Options) -> Duration {
    options.max_age.mul_f64(REFRESH_AT + JITTER) + LONGEST_PAUSE.div_f64(options.requests) + SECOND
}

fn shares(tally: &Tally, options: &Options) -> Panel {
    let instances = f64::from(options.instances);
    let mut dropped = 0.0;
    let mut known = 0.0;
    let know = tally.learned.iter().map(|count| {
        known += f64::from(*count);
        100.0 * known / instances
    });
    let accept = tally.dropped.iter().map(|count| {
        dropped += f64::from(*count);
        100.0 * (instances - dropped) / instances
    });
    Panel {
        label: "% of the instances",
        range: Duration::ZERO..Duration::ZERO,
        series: vec![
            Series {
                name: "know the new key",
                values: know.collect(),
            },
            Series {
                name: "accept the old key",
                values: accept.collect(),
            },
        ],
        levels: Vec::new(),
    }
}

fn mean_level(mean: f64) -> Level {
    Level::mean("mean of the steady state", mean)
}

impl Panel {
    fn rates(label: &'static str, tally: &Tally) -> Self {
        let all = Duration::ZERO..Duration::MAX;
        Self {
            label,
            range: all.clone(),
            series: vec![Series {
                name: "fetches/s in bins of 60 s",
                values: tally.rates(&all).collect(),
            }],
            levels: Vec::new(),
        }
    }
}

/// When what a scenario is about happens: after three days.
const EVENT: Duration = Duration::from_secs(3 * 24 * 60 * 60);
const SECOND: Duration = Duration::from_secs(1);
const HOUR: Duration = Duration::from_secs(60 * 60);

// Defaults of `KeyRefresh`, which the figures are measured by. The simulation reads none of them.
const REFRESH_AT: f64 = 0.8;
const JITTER: f64 = 0.1;
const GRACE: Duration = HOUR;
const UNKNOWN_KEY_INTERVAL: Duration = Duration::from_secs(60);

/// The interval between fetches for unknown keys has grown to a minute: 10, 20 and 40 s are over.
const GROWN: Duration = Duration::from_secs(120);
/// At one request a second: one fleet of 100,000 in 5,000 sees a longer pause where it matters.
const LONGEST_PAUSE: Duration = Duration::from_secs(20);
