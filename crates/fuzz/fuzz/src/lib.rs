//! The targets of `abanico-fuzz`, for libFuzzer to drive.

/// Feeds the target of this name.
pub fn run(name: &str, data: &[u8]) {
    let target = abanico_fuzz::TARGETS.iter().find(|target| target.name == name);
    (target.expect("it is in the list").run)(data);
}
