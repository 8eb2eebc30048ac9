//! The event channels that the boot device tree makes.

use evtchn::Wanted;

use super::Domain;

/// Opens the ends of `domain`'s channels, and connects those whose other end is there already. Both
/// are pending then, as on Xen: a guest sees one event that nobody sent.
///
/// The ports are free, as nothing of the domain has run, and the tree was checked: what fails here
/// still leaves the guest a port that nobody answers, or none.
pub fn connect(domain: &mut Domain, channels: &[domcfg::Channel], others: &mut [Domain]) {
    let id = domain.id;
    for channel in channels {
        let wanted = Wanted::Exactly(channel.port);
        let own = domain.events.get_mut();
        if channel.peer == id {
            // The second end of the two finds the first.
            if own
                .bind_interdomain(wanted, None, channel.peer_port)
                .is_err()
            {
                let _ = own.alloc_unbound(wanted, id);
                continue;
            }
            let _ = own.make_pending(channel.peer_port);
        } else if let Some(peer) = others.iter_mut().find(|other| other.id == channel.peer) {
            let events = peer.events.get_mut();
            if own
                .bind_interdomain(wanted, Some(events), channel.peer_port)
                .is_err()
            {
                continue;
            }
            let _ = events.make_pending(channel.peer_port);
        } else {
            let _ = own.alloc_unbound(wanted, channel.peer);
        }
    }
}
