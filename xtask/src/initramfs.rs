//! The guests' small file system: busybox and a script, as a cpio archive that Linux unpacks.
//!
//! Format: "newc" (Linux, Documentation/driver-api/early-userspace/buffer-format.rst).

/// What a guest runs first: a program that the kernel's command line names (`after_boot=NAME`; the
/// kernel hands such words on as variables), then the interactive shell on its console, again and again.
const INIT: &str = r#"#!/bin/busybox sh
export PATH=/bin HOME=/root TERM=vt100
mount -t proc proc /proc
mount -t sysfs sysfs /sys
mount -t devtmpfs devtmpfs /dev
mkdir -p /dev/pts /root
mount -t devpts devpts /dev/pts
cd /root
export PS1='\h:\w# ' ENV=/etc/shell
echo "euxenite-guest: shell ready on $(hostname), $(nproc) CPUs, Linux $(uname -r)"
$after_boot
while :; do
    setsid cttyhack sh -i
done
"#;

/// What each shell reads first. There is no init to ask, so these three act at once; functions,
/// because the shell has such commands built in.
const SHELL: &str = "\
poweroff() { /bin/busybox poweroff -f; }
reboot() { /bin/busybox reboot -f; }
halt() { /bin/busybox halt -f; }
";

/// Commands of busybox that get a name of their own.
const APPLETS: &str = "ash awk base64 basename cat chmod clear cp cttyhack cut date dd devmem df dirname dmesg \
    du echo egrep env expr false find free fgrep grep gunzip gzip head hexdump hostname id \
    ifconfig ip kill killall ln ls lsmod md5sum mkdir mknod mktemp more mount mv nc nl nproc \
    od paste pidof ping printf ps pwd readlink renice reset rm rmdir sed seq setsid sh \
    sha256sum sleep sort stat strings stty sync sysctl tail tar taskset tee test time \
    timeout top touch tr true tty umount uname uniq uptime usleep vi watch wc which who \
    xargs yes zcat";

const DIRECTORY: u32 = 0o040_755;
const PROGRAM: u32 = 0o100_755;
const LINK: u32 = 0o120_777;
const CHARACTER_DEVICE: u32 = 0o020_600;

/// A further file of the archive.
#[derive(Debug, Clone)]
pub(crate) struct Extra {
    /// Its path, without the first `/`.
    pub(crate) path: &'static str,
    /// What it holds.
    pub(crate) content: Vec<u8>,
}

/// Makes the archive from busybox, a static arm64 program, and further files.
pub(crate) fn make(busybox: &[u8], extras: &[Extra]) -> Vec<u8> {
    let mut archive = Archive::default();
    for folder in ["bin", "dev", "etc", "lib", "proc", "sys", "tmp", "root"] {
        archive.add(folder, DIRECTORY, (0, 0), b"");
    }
    archive.add("dev/console", CHARACTER_DEVICE, (5, 1), b"");
    archive.add("bin/busybox", PROGRAM, (0, 0), busybox);
    archive.add("init", PROGRAM, (0, 0), INIT.as_bytes());
    archive.add("etc/shell", PROGRAM, (0, 0), SHELL.as_bytes());
    for extra in extras {
        archive.add(extra.path, PROGRAM, (0, 0), &extra.content);
    }
    for name in APPLETS.split_whitespace() {
        archive.add(&format!("bin/{name}"), LINK, (0, 0), b"busybox");
    }
    archive.finish()
}

/// A cpio archive being written.
#[derive(Default)]
struct Archive {
    bytes: Vec<u8>,
    entries: u32,
}

impl Archive {
    fn add(&mut self, name: &str, mode: u32, device: (u32, u32), content: &[u8]) {
        self.entries += 1;
        let links = if mode == DIRECTORY { 2 } else { 1 };
        let size = u32::try_from(content.len()).unwrap_or(u32::MAX);
        let name_size = u32::try_from(name.len() + 1).unwrap_or(u32::MAX);
        // inode, mode, uid, gid, links, mtime, size, device of the file, device it is, name, check
        let fields = [
            self.entries,
            mode,
            0,
            0,
            links,
            0,
            size,
            0,
            0,
            device.0,
            device.1,
            name_size,
            0,
        ];
        self.bytes.extend(b"070701");
        for field in fields {
            self.bytes.extend(format!("{field:08x}").as_bytes());
        }
        self.bytes.extend(name.as_bytes());
        self.bytes.push(0);
        self.pad();
        self.bytes.extend(content);
        self.pad();
    }

    fn finish(mut self) -> Vec<u8> {
        self.add("TRAILER!!!", 0, (0, 0), b"");
        self.bytes
    }

    fn pad(&mut self) {
        self.bytes.resize(self.bytes.len().next_multiple_of(4), 0);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Reads an archive back: (name, mode, content).
    fn read(mut archive: &[u8]) -> Vec<(String, u32, Vec<u8>)> {
        let mut entries = Vec::new();
        let whole = archive.len();
        while archive.starts_with(b"070701") {
            let field = |n: usize| {
                let digits = std::str::from_utf8(&archive[6 + n * 8..14 + n * 8]).unwrap();
                u32::from_str_radix(digits, 16).unwrap()
            };
            let (mode, size, name_size) = (field(1), field(6) as usize, field(11) as usize);
            let content = (110 + name_size).next_multiple_of(4);
            let name = String::from_utf8(archive[110..110 + name_size - 1].to_vec()).unwrap();
            entries.push((name, mode, archive[content..content + size].to_vec()));
            let done = whole - archive.len() + content + size;
            archive = &archive[(content + size + done.next_multiple_of(4) - done)..];
        }
        assert!(archive.is_empty(), "nothing after the trailer");
        entries
    }

    #[test]
    fn what_is_written_reads_back() {
        let entries = read(&make(b"\x7fELF?", &[]));
        let find = |name: &str| entries.iter().find(|entry| entry.0 == name).unwrap();
        assert_eq!(find("bin/busybox").2, b"\x7fELF?");
        assert_eq!(find("init").1, PROGRAM);
        assert_eq!(find("bin/sh").2, b"busybox");
        assert_eq!(find("etc/shell").2, SHELL.as_bytes());
        assert_eq!(entries.last().unwrap().0, "TRAILER!!!");
    }

    #[test]
    fn no_name_is_there_twice() {
        let mut names: Vec<String> = read(&make(b"", &[]))
            .into_iter()
            .map(|entry| entry.0)
            .collect();
        names.sort();
        let all = names.len();
        names.dedup();
        assert_eq!(names.len(), all);
    }
}
