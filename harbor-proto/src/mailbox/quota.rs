//! How much one mailbox may hold.

/// What one mailbox may hold, or what it holds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Quota {
    /// Number of packets.
    pub packets: u32,
    /// Their sizes together.
    pub bytes: u64,
}

/// True when a packet of `packet_len` bytes may join a mailbox that holds `used`. The shell's writer asks
/// inside the transaction that appends, so that no table of all mailboxes is held in memory.
///
/// Spec: docs/spec/mailbox.md §4.
#[must_use]
pub fn admit(used: Quota, packet_len: usize, quota: &Quota) -> bool {
    let bytes = used.bytes.checked_add(packet_len as u64);
    used.packets < quota.packets && bytes.is_some_and(|bytes| bytes <= quota.bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_packet_that_fits_is_admitted_and_the_next_is_not() {
        let quota = Quota { packets: 3, bytes: 4096 };
        assert!(admit(Quota::default(), 4096, &quota));
        assert!(!admit(Quota { packets: 1, bytes: 1024 }, 4096, &quota));
        assert!(admit(Quota { packets: 2, bytes: 3072 }, 1024, &quota));
        assert!(!admit(Quota { packets: 3, bytes: 0 }, 1024, &quota));
        assert!(!admit(Quota { packets: 0, bytes: u64::MAX }, 1, &quota));
    }
}
