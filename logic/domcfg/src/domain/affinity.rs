//! Lists of physical CPUs as `hard-affinity` writes them: `0-3,5`.

use abi::CpuId;

use crate::CpuSet;

/// The form of a list.
pub(super) const FORM: &str = "must be a list of CPUs such as \"0-3,5\"";

/// Parses a list. Errors are the rule that it breaks.
pub(super) fn parse(list: &str) -> Result<CpuSet, &'static str> {
    let mut set = CpuSet::default();
    for item in list.split(',') {
        let (first, last) = item.split_once('-').unwrap_or((item, item));
        let (first, last) = (number(first)?, number(last)?);
        if first > last {
            return Err("has a range that ends before it starts");
        }
        for cpu in first..=last {
            set.insert(CpuId(cpu));
        }
    }
    Ok(set)
}

fn number(text: &str) -> Result<u16, &'static str> {
    if text.is_empty() || !text.bytes().all(|byte| byte.is_ascii_digit()) {
        return Err(FORM);
    }
    match text.parse() {
        Ok(cpu) if cpu < CpuSet::MAX => Ok(cpu),
        _ => Err("names a CPU beyond 127"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lists_and_ranges() {
        assert_eq!(parse("0"), Ok(CpuSet(1)));
        assert_eq!(parse("0-3,5"), Ok(CpuSet(0b10_1111)));
        assert_eq!(parse("127"), Ok(CpuSet(1 << 127)));
        assert_eq!(parse("1,1-2"), Ok(CpuSet(0b110)));
        for bad in [
            "", ",", "1,", "a", "1-", "-1", "3-1", "128", "0-200", "1 2", "+1", "99999",
        ] {
            assert!(parse(bad).is_err(), "{bad}");
        }
    }
}
