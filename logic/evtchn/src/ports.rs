//! A domain's ports: storage, look-up, and the search for a free one.
//!
//! Ports come in buckets of 64, which are made on demand and stay until the domain goes: a number
//! that was valid once stays valid (XSA-338). The lowest free port is found in constant time.
//!
//! A port closed while its event word is on a queue of the guest (FIFO) is not given out until the
//! guest has taken it off, or the queue would lead through a port of another use.

use alloc::boxed::Box;
use alloc::vec::Vec;

use abi::{Errno, Port};

use crate::channel::{Channel, State};
use crate::summary::{MAX_BUCKETS, Summary};
use crate::try_vec;

/// Ports in a bucket.
pub(crate) const BUCKET_PORTS: u32 = 64;

/// Closed ports that one search passes over because a queue of the guest still leads through them.
/// A guest that leaves more than that may find no number: its own loss.
const MAX_SKIPS: u32 = 1024;

const CHANNELS: [Channel; BUCKET_PORTS as usize] = [Channel::CLOSED; BUCKET_PORTS as usize];

struct Bucket {
    /// Closed ports.
    free: u64,
    channels: [Channel; BUCKET_PORTS as usize],
}

/// A port that was found free, to be opened at once.
pub(crate) struct Vacant(Port);

impl Vacant {
    pub(crate) fn port(&self) -> Port {
        self.0
    }
}

/// All ports of a domain.
#[derive(Default)]
pub(crate) struct Ports {
    /// Boxed, so that a longer table does not move them.
    #[allow(clippy::vec_box)]
    buckets: Vec<Box<[Bucket; 1]>>,
    with_free: Summary,
    /// Open ports, the hypervisor's own included.
    pub(crate) open: u32,
    /// Open ports that the hypervisor owns.
    pub(crate) owned: u32,
}

impl Ports {
    /// The first bucket, with port 0 reserved.
    pub(crate) fn new() -> Result<Self, Errno> {
        let mut ports = Self::default();
        ports.add_bucket()?;
        if let Some(bucket) = ports.buckets.first_mut() {
            bucket[0].free &= !1;
            bucket[0].channels[0].state = State::Reserved;
        }
        Ok(ports)
    }

    /// What so many ports take of the heap at most.
    pub(crate) const fn most_bytes(ports: u32) -> u64 {
        // The list of buckets is copied when it grows.
        let bucket = size_of::<Bucket>() + 2 * size_of::<Box<Bucket>>() + crate::ALLOCATION_BYTES;
        ports.div_ceil(BUCKET_PORTS) as u64 * bucket as u64
    }

    /// The port's record, if the table reaches that far.
    pub(crate) fn get(&self, port: Port) -> Option<&Channel> {
        let bucket = self.buckets.get((port.0 / BUCKET_PORTS) as usize)?;
        Some(&bucket[0].channels[(port.0 % BUCKET_PORTS) as usize])
    }

    /// The same, to change.
    pub(crate) fn get_mut(&mut self, port: Port) -> Option<&mut Channel> {
        let bucket = self.buckets.get_mut((port.0 / BUCKET_PORTS) as usize)?;
        Some(&mut bucket[0].channels[(port.0 % BUCKET_PORTS) as usize])
    }

    /// How many numbers the table reaches.
    pub(crate) fn len(&self) -> u32 {
        self.buckets.len() as u32 * BUCKET_PORTS
    }

    /// The lowest free port below `limit` that is not `busy`; makes a bucket if it must.
    pub(crate) fn find(
        &mut self,
        limit: u32,
        busy: impl Fn(Port) -> bool,
    ) -> Result<Vacant, Errno> {
        let mut skips = 0;
        let mut bucket = 0;
        while skips < MAX_SKIPS {
            bucket = match self.with_free.next(bucket) {
                Some(index) if index * BUCKET_PORTS < limit => index,
                None if self.len() < limit => self.add_bucket()?,
                _ => break,
            };
            let mut free = self.buckets.get(bucket as usize).map_or(0, |b| b[0].free);
            while free != 0 && skips < MAX_SKIPS {
                let port = Port(bucket * BUCKET_PORTS + free.trailing_zeros());
                if port.0 < limit && !busy(port) {
                    return Ok(Vacant(port));
                }
                free &= free - 1;
                skips += 1;
            }
            bucket += 1;
        }
        Err(Errno::NoSpc)
    }

    /// `port` itself, if it is free and below `limit`; makes all buckets up to it.
    pub(crate) fn take(
        &mut self,
        port: Port,
        limit: u32,
        is_linked: impl Fn(Port) -> bool,
    ) -> Result<Vacant, Errno> {
        if port.0 >= limit {
            return Err(Errno::NoSpc);
        }
        while self.len() <= port.0 {
            self.add_bucket()?;
        }
        match self.get(port).map(|channel| channel.state) {
            Some(State::Closed) if !is_linked(port) => Ok(Vacant(port)),
            _ => Err(Errno::Busy),
        }
    }

    /// Binds the port.
    pub(crate) fn open(&mut self, Vacant(port): Vacant, channel: Channel) -> Port {
        let index = port.0 / BUCKET_PORTS;
        if let Some(bucket) = self.buckets.get_mut(index as usize) {
            bucket[0].free &= !bit(port);
            let record = &mut bucket[0].channels[(port.0 % BUCKET_PORTS) as usize];
            // An old queue's tail may still be this port.
            *record = channel.after(record);
            if bucket[0].free == 0 {
                self.with_free.remove(index);
            }
            self.open += 1;
            self.owned += u32::from(channel.consumer.is_some());
        }
        port
    }

    /// Marks an open port as closed.
    pub(crate) fn close(&mut self, port: Port) {
        let index = port.0 / BUCKET_PORTS;
        if let Some(bucket) = self.buckets.get_mut(index as usize) {
            let record = &mut bucket[0].channels[(port.0 % BUCKET_PORTS) as usize];
            self.open = self.open.saturating_sub(1);
            let owned = u32::from(record.consumer.is_some());
            self.owned = self.owned.saturating_sub(owned);
            *record = Channel::CLOSED.after(record);
            bucket[0].free |= bit(port);
            self.with_free.insert(index);
        }
    }

    /// The first open port from `from` on in its bucket, else the next bucket's first port, open or
    /// not; `None` beyond the table's end.
    pub(crate) fn next_open(&self, from: Port) -> Option<Port> {
        let index = from.0 / BUCKET_PORTS;
        let bucket = self.buckets.get(index as usize)?;
        let open = !bucket[0].free & u64::MAX << (from.0 % BUCKET_PORTS);
        Some(Port(index * BUCKET_PORTS + open.trailing_zeros()))
    }

    /// Makes the next bucket and returns its number.
    fn add_bucket(&mut self) -> Result<u32, Errno> {
        let index = self.buckets.len() as u32;
        if index >= MAX_BUCKETS {
            return Err(Errno::NoSpc);
        }
        self.buckets.try_reserve(1).map_err(|_| Errno::NoMem)?;
        let storage = try_vec(1, || Bucket {
            free: u64::MAX,
            channels: CHANNELS,
        })?
        .into_boxed_slice();
        let bucket: Box<[Bucket; 1]> = storage.try_into().map_err(|_| Errno::NoMem)?;
        self.buckets.push(bucket);
        self.with_free.insert(index);
        Ok(index)
    }
}

fn bit(port: Port) -> u64 {
    1 << (port.0 % BUCKET_PORTS)
}
