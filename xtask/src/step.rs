//! Runs the steps of a chore one after the other, timed and named.
//!
//! Invariant: a step that hangs is ended, so that a run always comes to its closing line.

use anyhow::{Context, bail, ensure};
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};
use std::thread;
use std::time::{Duration, Instant};

/// The longest that one command may take. The slowest, a first compilation on two cores, takes a third of it.
const COMMAND_TIME_MAX: Duration = Duration::from_secs(30 * 60);

/// A chore under way.
pub(crate) struct Run {
    started: Instant,
    passed: Vec<(String, Duration)>,
}

impl Run {
    pub(crate) fn new() -> Self {
        Self {
            started: Instant::now(),
            passed: Vec::new(),
        }
    }

    /// Does one step. Its name is what a failure is reported under.
    pub(crate) fn step(
        &mut self,
        name: &str,
        work: impl FnOnce() -> anyhow::Result<()>,
    ) -> anyhow::Result<()> {
        println!("\n━━ {name}");
        let started = Instant::now();
        work().with_context(|| format!("step `{name}`"))?;
        self.passed.push((name.to_owned(), started.elapsed()));
        println!("   {name}: {:.1} s", started.elapsed().as_secs_f64());
        Ok(())
    }

    /// Prints how the steps went, and how many passed.
    pub(crate) fn close(self, chore: &str, outcome: &anyhow::Result<()>) -> ExitCode {
        println!(
            "\n━━ cargo xtask {chore}: {:.0} s",
            self.started.elapsed().as_secs_f64()
        );
        for (name, took) in &self.passed {
            println!("   {:>7.1} s  {name}", took.as_secs_f64());
        }
        if let Err(error) = outcome {
            println!("   FAILED at {error:#}");
        }
        println!(
            "steps: {} passed, {} failed",
            self.passed.len(),
            u8::from(outcome.is_err())
        );
        if outcome.is_ok() {
            ExitCode::SUCCESS
        } else {
            ExitCode::FAILURE
        }
    }
}

/// The workspace's root.
pub(crate) fn root() -> PathBuf {
    let beside = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    beside.canonicalize().unwrap_or(beside)
}

/// A command that runs in the workspace's root.
pub(crate) fn command(program: impl AsRef<std::ffi::OsStr>, args: &[&str]) -> Command {
    let mut command = Command::new(program);
    command.args(args).current_dir(root());
    command
}

/// The cargo that started us.
pub(crate) fn cargo(args: &[&str]) -> Command {
    command(
        std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()),
        args,
    )
}

/// Whether a program answers to `--version` (or whatever it is asked).
pub(crate) fn answers(program: &str, args: &[&str]) -> bool {
    command(program, args)
        .output()
        .is_ok_and(|output| output.status.success())
}

/// Runs a command to its end, its output on ours. It fails if the command does, or if it takes too long.
pub(crate) fn go(command: &mut Command) -> anyhow::Result<()> {
    let line = shown(command);
    println!("   $ {line}");
    let mut child = command
        .spawn()
        .with_context(|| format!("`{line}` cannot be started"))?;
    let started = Instant::now();
    let status = loop {
        if let Some(status) = child.try_wait()? {
            break status;
        }
        if started.elapsed() > COMMAND_TIME_MAX {
            child.kill()?;
            child.wait()?;
            bail!(
                "`{line}` took more than {} s and was ended",
                COMMAND_TIME_MAX.as_secs()
            );
        }
        thread::sleep(Duration::from_millis(20));
    };
    ensure!(status.success(), "`{line}` ended with {status}");
    Ok(())
}

/// The command as one would type it.
fn shown(command: &Command) -> String {
    let program = Path::new(command.get_program());
    let name = program
        .file_name()
        .unwrap_or(program.as_os_str())
        .to_string_lossy()
        .into_owned();
    std::iter::once(name)
        .chain(
            command
                .get_args()
                .map(|arg| arg.to_string_lossy().into_owned()),
        )
        .collect::<Vec<_>>()
        .join(" ")
}
