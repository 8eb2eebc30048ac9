//! Running other programs.

use std::{
    io::Write,
    process::{Command, Output, Stdio},
};

use anyhow::{Context, Result, bail};

/// How many lines of a failed program's output are shown.
const SHOWN_LINES: usize = 40;

/// The command line as one would type it.
pub(crate) fn shown(command: &Command) -> String {
    let mut line = quoted(&command.get_program().to_string_lossy());
    for argument in command.get_args() {
        line.push(' ');
        line.push_str(&quoted(&argument.to_string_lossy()));
    }
    line
}

/// Runs `command` without a terminal and gives what it wrote to its standard output.
///
/// # Errors
/// When it cannot be started or fails: with the end of what it wrote.
pub(crate) fn output_of(command: &mut Command) -> Result<String> {
    let output = finished(command)?;
    if !output.status.success() {
        let mut text = String::from_utf8_lossy(&output.stdout).into_owned();
        text.push_str(&String::from_utf8_lossy(&output.stderr));
        bail!(
            "`{}` failed ({}):\n{}",
            shown(command),
            output.status,
            tail(&text, SHOWN_LINES)
        );
    }
    Ok(String::from_utf8_lossy(&output.stdout).into_owned())
}

/// Runs `command` without a terminal to its end, whatever that is.
///
/// # Errors
/// When it cannot be started.
pub(crate) fn finished(command: &mut Command) -> Result<Output> {
    command
        .stdin(Stdio::null())
        .output()
        .with_context(|| format!("cannot start `{}`", command.get_program().to_string_lossy()))
}

/// Pipes `input` through `program` and gives what comes out.
///
/// # Errors
/// When it cannot be started or fails.
pub(crate) fn piped(program: &str, arguments: &[&str], input: &[u8]) -> Result<Vec<u8>> {
    let mut child = Command::new(program)
        .args(arguments)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .with_context(|| format!("cannot start {program}"))?;
    let mut pipe = child.stdin.take().context("no pipe")?;
    // At the same time: neither may wait for the other.
    let output = std::thread::scope(|scope| {
        scope.spawn(move || pipe.write_all(input));
        child.wait_with_output()
    })?;
    if !output.status.success() {
        bail!("{program} failed ({})", output.status);
    }
    Ok(output.stdout)
}

/// Runs `command` on this terminal.
///
/// # Errors
/// When it cannot be started or fails.
pub(crate) fn visible(command: &mut Command) -> Result<()> {
    let status = command
        .status()
        .with_context(|| format!("cannot start `{}`", command.get_program().to_string_lossy()))?;
    if !status.success() {
        bail!("`{}` failed ({status})", shown(command));
    }
    Ok(())
}

/// The last `lines` lines of `text`.
pub(crate) fn tail(text: &str, lines: usize) -> String {
    let all: Vec<&str> = text.lines().collect();
    all[all.len().saturating_sub(lines)..].join("\n")
}

fn quoted(argument: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "-_=./,:+@%".contains(c);
    if !argument.is_empty() && argument.chars().all(plain) {
        argument.to_owned()
    } else {
        format!("'{}'", argument.replace('\'', r"'\''"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_command_line_can_be_pasted_into_a_shell() {
        let mut command = Command::new("echo");
        command.args(["plain", "two words", "it's"]);
        assert_eq!(shown(&command), r"echo plain 'two words' 'it'\''s'");
    }

    #[test]
    fn tail_keeps_the_end() {
        assert_eq!(tail("a\nb\nc\n", 2), "b\nc");
        assert_eq!(tail("a", 5), "a");
    }

    #[test]
    fn much_goes_through_a_pipe() {
        let input = vec![b'x'; 1 << 20];
        assert_eq!(piped("cat", &[], &input).unwrap(), input);
        assert!(piped("false", &[], b"").is_err());
    }

    #[test]
    fn a_failure_carries_the_output() {
        let error = output_of(Command::new("sh").args(["-c", "echo why >&2; exit 3"]));
        assert!(error.is_err_and(|e| e.to_string().contains("why")));
    }
}
