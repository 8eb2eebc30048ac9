//! Carrying out a scenario's steps.

use std::time::Duration;

use anyhow::{Result, bail};
use regex_lite::Regex;

use super::{
    file::{Scenario, Step},
    session::Session,
    transcript::{Pattern, View},
};
use crate::command;

/// Ctrl-A three times.
const SWITCH: &[u8] = b"\x01\x01\x01";
/// More domains than any scenario has, plus Xen.
const MOST_SWITCHES: usize = 16;
/// Keys that are typed without a pause.
const TYPED_AT_ONCE: usize = 4;
/// The pause then.
const TYPING_PAUSE: Duration = Duration::from_millis(10);
/// Carries out the steps of one scenario.
pub(super) struct Runner<'a> {
    scenario: &'a Scenario,
    session: Session,
    sum: Option<String>,
}

impl<'a> Runner<'a> {
    pub(super) fn new(scenario: &'a Scenario, session: Session) -> Self {
        Self {
            scenario,
            session,
            sum: None,
        }
    }

    /// All steps, then the look for what must not be there.
    ///
    /// # Errors
    /// The first step that fails, in words.
    pub(super) fn run(mut self) -> Result<()> {
        for (number, step) in self.scenario.steps.iter().enumerate() {
            if let Err(error) = self.step(step) {
                let over = if self.session.out_of_time() {
                    " (the scenario's time is over)"
                } else {
                    ""
                };
                bail!("step {}: {error:#}{over}", number + 1);
            }
        }
        self.session.reject_in_all()
    }

    fn step(&mut self, step: &Step) -> Result<()> {
        if let Some(name) = &step.focus {
            self.focus(name, step)?;
        }
        if let Some(text) = &step.send {
            let text = self.filled(text);
            self.typed(text.as_bytes())?;
        }
        if let Some(bytes) = step.paste {
            let text = pasted(bytes);
            self.sum = Some(md5sum(&text)?);
            self.session.send(&text)?;
        }
        if let Some(seconds) = step.wait_s {
            self.session
                .receive_until(Duration::from_secs_f32(seconds), |_| false)?;
        }
        if let Some(text) = &step.expect {
            let text = self.filled(text);
            self.expect(&Pattern::Text(text.clone()), &format!("{text:?}"), step)?;
        }
        if let Some(pattern) = &step.pattern {
            let pattern = self.filled(pattern);
            self.expect(
                &Pattern::Regex(Regex::new(&pattern)?),
                &format!("/{pattern}/"),
                step,
            )?;
        }
        if let Some(text) = &step.expect_each {
            self.expect_each(text, step)?;
        }
        if let Some(text) = &step.absent {
            self.absent(&Pattern::Text(self.filled(text)), step)?;
        }
        if step.ends {
            self.session.receive_until(within(step), |_| false)?;
            if !self.session.ended() {
                bail!("the machine did not end within {} s", step.within_s);
            }
        }
        Ok(())
    }

    /// Types as fast as a very fast typist: a guest that is busy need not cope with more.
    fn typed(&mut self, text: &[u8]) -> Result<()> {
        for keys in text.chunks(TYPED_AT_ONCE) {
            self.session.send(keys)?;
            self.session.receive_until(TYPING_PAUSE, |_| false)?;
        }
        Ok(())
    }

    fn expect(&mut self, pattern: &Pattern, shown: &str, step: &Step) -> Result<()> {
        let (mut seen, view) = (0, view(step));
        let found = self.session.receive_until(within(step), |transcript| {
            while seen < step.times && transcript.advance(pattern, view) {
                seen += 1;
            }
            seen == step.times
        })?;
        if !found {
            let times = if step.times == 1 {
                String::new()
            } else {
                format!(" {seen} of {} times", step.times)
            };
            let ended = if self.session.ended() {
                "; the machine has ended"
            } else {
                ""
            };
            bail!(
                "{shown} did not come within {} s{times}{ended}",
                step.within_s
            );
        }
        Ok(())
    }

    fn expect_each(&mut self, text: &str, step: &Step) -> Result<()> {
        let mut missing: Vec<Pattern> = (1..=self.scenario.guests.count)
            .map(|number| Pattern::Text(text.replace("{n}", &number.to_string())))
            .collect();
        let from = self.session.transcript.matched();
        let found = self.session.receive_until(within(step), |transcript| {
            missing.retain(|pattern| match transcript.find(pattern, View::All, from) {
                Some(found) => {
                    transcript.advance_to(found.end);
                    false
                }
                None => true,
            });
            missing.is_empty()
        })?;
        if !found {
            bail!("did not come within {} s: {missing:?}", step.within_s);
        }
        Ok(())
    }

    fn absent(&mut self, pattern: &Pattern, step: &Step) -> Result<()> {
        let from = self.session.transcript.matched();
        let found = self.session.receive_until(within(step), |transcript| {
            transcript.find(pattern, view(step), from).is_some()
        })?;
        if found {
            bail!("{pattern:?} came");
        }
        Ok(())
    }

    /// Switches the input until it is at `name`.
    fn focus(&mut self, name: &str, step: &Step) -> Result<()> {
        let announced = Pattern::Regex(Regex::new(r"\*\*\* Serial input to \w+")?);
        let wanted = Pattern::Text(format!("*** Serial input to {name} "));
        for _ in 0..MOST_SWITCHES {
            let from = self.session.transcript.text().len();
            self.session.send(SWITCH)?;
            let switched = self.session.receive_until(within(step), |transcript| {
                transcript
                    .find(&announced, View::All, from)
                    .is_some_and(|found| {
                        // The name is whole once something follows it.
                        transcript.text().len() > found.end + 1
                    })
            })?;
            if !switched {
                bail!("Ctrl-A three times switched nothing");
            }
            if let Some(found) = self.session.transcript.find(&wanted, View::All, from) {
                self.session.transcript.advance_to(found.end);
                return Ok(());
            }
        }
        bail!("the input never came to {name}")
    }

    fn filled(&self, text: &str) -> String {
        match &self.sum {
            Some(sum) => text.replace("{sum}", sum),
            None => text.to_owned(),
        }
    }
}

fn view(step: &Step) -> View {
    step.from.map_or(View::All, View::Domain)
}

fn within(step: &Step) -> Duration {
    Duration::from_secs_f32(step.within_s)
}

/// Lines of text, each different, `bytes` in all.
fn pasted(bytes: usize) -> Vec<u8> {
    let line = |number: usize| format!("{number:06} the quick brown fox jumps over the lazy dog\n");
    let mut text: Vec<u8> = (0..)
        .flat_map(|number| line(number).into_bytes())
        .take(bytes)
        .collect();
    if let Some(last) = text.last_mut() {
        *last = b'\n';
    }
    text
}

/// What `md5sum` prints first for `bytes`.
fn md5sum(bytes: &[u8]) -> Result<String> {
    let printed = String::from_utf8(command::piped("md5sum", &[], bytes)?)?;
    Ok(printed
        .split_whitespace()
        .next()
        .unwrap_or_default()
        .to_owned())
}

#[cfg(test)]
mod tests {
    use super::pasted;

    #[test]
    fn pasted_text_has_its_length_and_ends_its_last_line() {
        for bytes in [0, 1, 53, 4096] {
            let text = pasted(bytes);
            assert_eq!(text.len(), bytes);
            assert!(bytes == 0 || text.ends_with(b"\n"));
            assert!(!text.windows(2).any(|two| two == b"\n\n") || bytes < 60);
        }
    }
}
