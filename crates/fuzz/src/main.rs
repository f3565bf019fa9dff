//! Fuzzes one target, or all of them one after the other, for so many minutes each; or writes a target's seeds into a folder,
//! for another fuzzer.

use abanico_fuzz::{Finding, TARGETS, fuzz, seeds_of};
use std::io::Write;
use std::path::Path;
use std::process::ExitCode;
use std::time::{Duration, Instant};

const USAGE: &str = "abanico-fuzz TARGET|all MINUTES [SEED]\nabanico-fuzz seeds TARGET FOLDER";

fn main() -> ExitCode {
    let args: Vec<String> = std::env::args().skip(1).collect();
    if let [command, name, folder] = &args[..]
        && command == "seeds"
    {
        return write_seeds(name, Path::new(folder));
    }
    let minutes = args.get(1).and_then(|text| text.parse::<f64>().ok());
    let seed = args.get(2).map_or(Some(1), |text| text.parse().ok());
    let chosen: Vec<_> = TARGETS
        .iter()
        .filter(|target| {
            args.first()
                .is_some_and(|name| name == "all" || name == target.name)
        })
        .collect();
    let (Some(minutes), Some(seed), false) = (minutes, seed, chosen.is_empty()) else {
        let names = TARGETS.map(|target| target.name).join(", ");
        say(&format!("{USAGE}\ntargets: {names}"));
        return ExitCode::from(2);
    };
    for target in chosen {
        let until = Instant::now() + Duration::from_secs_f64(minutes * 60.0);
        match fuzz(target, seed, |_| Instant::now() < until) {
            Ok(inputs) => say(&format!("{}: {inputs} inputs, nothing found", target.name)),
            Err(Finding { input, number }) => {
                let file = format!("{}-{seed}-{number}.bin", target.name);
                let kept = std::fs::write(&file, &input);
                say(&format!(
                    "{}: input {number} of seed {seed} breaks it ({file}, {kept:?})",
                    target.name
                ));
                return ExitCode::FAILURE;
            }
        }
    }
    ExitCode::SUCCESS
}

/// Each seed as a file that is called by its number.
fn write_seeds(name: &str, folder: &Path) -> ExitCode {
    let Some(target) = TARGETS.iter().find(|target| target.name == name) else {
        say(&format!("there is no target {name}"));
        return ExitCode::from(2);
    };
    let written = std::fs::create_dir_all(folder).and_then(|()| {
        let mut seeds = seeds_of(target).into_iter().enumerate();
        seeds.try_for_each(|(at, seed)| std::fs::write(folder.join(at.to_string()), seed))
    });
    match written {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            say(&format!("{}: {error}", folder.display()));
            ExitCode::FAILURE
        }
    }
}

fn say(line: &str) {
    // Whoever closed our output does not want to hear it.
    let _ = writeln!(std::io::stdout(), "{line}");
}
