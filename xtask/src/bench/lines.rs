//! What the benchmark guest prints (`guests/bench`), line by line.

use std::collections::BTreeMap;

use anyhow::{Context, Result};

/// What stands in front of a line of the guest's.
const MARK: &str = "bench: ";
/// `-ENOSYS` as a 64-bit result.
const NO_SUCH_CALL: u64 = -38_i64 as u64;
/// The operation that is meant to get that.
const UNKNOWN_CALL: &str = "unknown hypercall";

/// What one operation takes.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Figure {
    /// The operation.
    pub(crate) name: String,
    /// Instructions, without the guest's own; `None` where the hypervisor has no such call.
    pub(crate) instructions: Option<f64>,
    /// The guest's own.
    pub(crate) own: f64,
}

/// What a guest prints first.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Begin {
    /// Nanoseconds (instructions) of a tick of the counter.
    pub(crate) tick_ns: f64,
    /// Nanoseconds from power-on to the guest's first instruction.
    pub(crate) power_on_ns: f64,
}

/// The first lines of all guests in `text`, in the order in which they came.
pub(crate) fn begins(text: &str) -> Result<Vec<Begin>> {
    let lines = text.lines().filter_map(fields);
    lines
        .filter(|(name, _)| *name == "begin")
        .map(|(_, values)| {
            let number = |key| number(&values, key);
            let tick_ns = 1e9 / number("frequency")?;
            Ok(Begin {
                tick_ns,
                power_on_ns: number("power_on")? * tick_ns,
            })
        })
        .collect()
}

/// All figures in `text`.
pub(crate) fn figures(text: &str) -> Result<Vec<Figure>> {
    let begin = begins(text)?;
    let tick_ns = begin.first().context("the guest has not begun")?.tick_ns;
    let lines = text.lines().filter_map(fields);
    lines
        .filter(|(_, values)| values.contains_key("ticks"))
        .map(|(name, values)| {
            let number = |key| number(&values, key);
            let (ticks, own, count) = (number("ticks")?, number("own")?, number("n")?);
            let missing = result(&values) == Some(NO_SUCH_CALL) && name != UNKNOWN_CALL;
            let net = (ticks - own).max(0.0) * tick_ns / count;
            Ok(Figure {
                name: name.to_owned(),
                instructions: (!missing).then_some(net),
                own: own * tick_ns / count,
            })
        })
        .collect()
}

/// A line's name and its values by key.
fn fields(line: &str) -> Option<(&str, BTreeMap<&str, &str>)> {
    let at = line.find(MARK)?;
    let mut parts = line[at + MARK.len()..].split("; ");
    let name = parts.next()?;
    Some((
        name,
        parts.filter_map(|part| part.split_once('=')).collect(),
    ))
}

fn number(values: &BTreeMap<&str, &str>, key: &str) -> Result<f64> {
    let value = values
        .get(key)
        .with_context(|| format!("no {key} in a line of the guest's"))?;
    let value = value.trim().parse::<u64>();
    Ok(value.with_context(|| format!("{key} in a line of the guest's"))? as f64)
}

fn result(values: &BTreeMap<&str, &str>) -> Option<u64> {
    let text = values.get("result")?.trim().strip_prefix("0x")?;
    u64::from_str_radix(text, 16).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &str = "(XEN) bench: begin; frequency=62500000; cpus=1; power_on=1000\n\
        (XEN) ....bench: UART data write; n=100; ticks=1010; own=10; result=0x0\n\
        bench: yield; n=10; ticks=20; own=0; result=0xffffffffffffffda\n\
        bench: unknown hypercall; n=16; ticks=20; own=4; result=0xffffffffffffffda\n";

    #[test]
    fn ticks_become_instructions_and_missing_calls_nothing() {
        let figures = figures(TEXT).unwrap();
        let instructions: Vec<_> = figures.iter().map(|one| one.instructions).collect();
        assert_eq!(instructions, [Some(160.0), None, Some(16.0)]);
        assert_eq!(figures[0].name, "UART data write");
        assert_eq!(figures[0].own, 1.6);
        assert_eq!(begins(TEXT).unwrap()[0].power_on_ns, 16000.0);
    }

    #[test]
    fn without_a_beginning_there_is_nothing_to_tell_ticks_by() {
        assert!(figures("bench: x; n=1; ticks=1; own=1").is_err());
    }
}
