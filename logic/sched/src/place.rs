//! On which CPU a vCPU that wakes is to run.

use abi::CpuId;

use crate::CpuMask;

/// How busy a CPU is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CpuLoad {
    /// Which CPU.
    pub cpu: CpuId,
    /// vCPUs that run or wait there; 0 is an idle CPU.
    pub runnable: u16,
    /// Sum of their weights.
    pub weight: u32,
}

/// The CPU, among those of `cpus` that are `allowed`, for a vCPU that last ran on `previous`: that
/// one if it is idle (its caches are warm), else an idle one, else the one with the least weight;
/// the previous one, then the first listed, wins ties.
///
/// `previous` too if no CPU listed is allowed, which a checked configuration rules out.
pub fn place(cpus: &[CpuLoad], allowed: CpuMask, previous: CpuId) -> CpuId {
    let mut best: Option<(u32, CpuId)> = None;
    for load in cpus.iter().filter(|load| allowed.contains(load.cpu)) {
        let weight = if load.runnable == 0 {
            0
        } else {
            load.weight.max(1)
        };
        let better = match best {
            None => true,
            Some((least, _)) => weight < least || (weight == least && load.cpu == previous),
        };
        if better {
            best = Some((weight, load.cpu));
        }
    }
    best.map_or(previous, |(_, cpu)| cpu)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn loads(weights: &[u32]) -> Vec<CpuLoad> {
        let load = |(cpu, &weight): (usize, &u32)| CpuLoad {
            cpu: CpuId(cpu as u16),
            runnable: (weight / 256) as u16,
            weight,
        };
        weights.iter().enumerate().map(load).collect()
    }

    #[test]
    fn an_idle_previous_cpu_is_kept() {
        assert_eq!(
            place(&loads(&[0, 256, 0]), CpuMask::ALL, CpuId(2)),
            CpuId(2)
        );
    }

    #[test]
    fn an_idle_cpu_beats_a_busy_previous_one() {
        assert_eq!(
            place(&loads(&[256, 0, 0]), CpuMask::ALL, CpuId(0)),
            CpuId(1)
        );
    }

    #[test]
    fn the_least_loaded_is_taken_when_none_is_idle() {
        assert_eq!(
            place(&loads(&[512, 768, 256]), CpuMask::ALL, CpuId(0)),
            CpuId(2)
        );
        assert_eq!(
            place(&loads(&[256, 512, 256]), CpuMask::ALL, CpuId(2)),
            CpuId(2)
        );
    }

    #[test]
    fn affinity_binds() {
        let pinned = CpuMask::of(CpuId(1));
        assert_eq!(place(&loads(&[0, 1024, 0]), pinned, CpuId(0)), CpuId(1));
        assert_eq!(place(&loads(&[0, 0]), CpuMask::EMPTY, CpuId(1)), CpuId(1));
    }
}
