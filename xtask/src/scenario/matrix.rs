//! One scenario on many machines.

use serde::Deserialize;

use super::Scenario;

/// How much of a matrix is run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Selection {
    /// The combinations that the file picks.
    Subset,
    /// All.
    Full,
}

/// The values that each dimension takes.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Matrix {
    gic: Vec<u8>,
    cpu: Vec<String>,
    cpus: Vec<u32>,
    vcpus: Vec<u32>,
    guests: Vec<u32>,
    /// The usual subset.
    pick: Vec<Combination>,
}

#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
struct Combination {
    gic: u8,
    cpu: String,
    cpus: u32,
    vcpus: u32,
    guests: u32,
}

impl Matrix {
    /// The scenarios that `scenario` stands for.
    pub(super) fn expand(&self, scenario: &Scenario, selection: Selection) -> Vec<Scenario> {
        let combinations = match selection {
            Selection::Subset => self.pick.clone(),
            Selection::Full => self.all(),
        };
        combinations
            .iter()
            .map(|combination| combination.apply(scenario))
            .collect()
    }

    fn all(&self) -> Vec<Combination> {
        let mut all = self.pick.clone();
        for &gic in &self.gic {
            for cpu in &self.cpu {
                for &cpus in &self.cpus {
                    for &vcpus in &self.vcpus {
                        for &guests in &self.guests {
                            let one = Combination {
                                gic,
                                cpu: cpu.clone(),
                                cpus,
                                vcpus,
                                guests,
                            };
                            if !all.contains(&one) {
                                all.push(one);
                            }
                        }
                    }
                }
            }
        }
        all
    }
}

impl Combination {
    fn apply(&self, scenario: &Scenario) -> Scenario {
        let mut one = scenario.clone();
        let Self {
            gic,
            cpu,
            cpus,
            vcpus,
            guests,
        } = self;
        let model = cpu.split(',').next().unwrap_or(cpu);
        one.name = format!(
            "{}-gic{gic}-{model}-{cpus}cpus-{guests}x{vcpus}",
            scenario.name
        );
        one.machine.gic = *gic;
        one.machine.cpu.clone_from(cpu);
        one.machine.cpus = *cpus;
        one.guests.vcpus = *vcpus;
        one.guests.count = *guests;
        // More to emulate takes longer.
        let vcpus_in_all = u64::from(vcpus * guests);
        one.limit_s += scenario.limit_s * vcpus_in_all / 8;
        for step in &mut one.steps {
            step.within_s += step.within_s * vcpus_in_all as f32 / 8.0;
        }
        one
    }
}
