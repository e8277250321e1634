//! Every decoder of a wire type: what it accepts encodes to the same bytes again.

use harbor_proto::wire::Wire;
use harbor_proto::wire::link::Carried;
use harbor_proto::{delivery, endpoint, id, identity, packet, peering, topic, wire};

/// How the rest of the input is read, chosen by its first byte.
type Decoder = fn(&[u8]);

/// New types go to the end: the corpus names a type by its place.
macro_rules! decoders {
    ($($t:ty),* $(,)?) => { &[$(one_value_one_form::<$t>),*] };
}

const DECODERS: &[Decoder] = decoders![
    wire::link::ToNode,
    wire::link::ToClient,
    wire::link::Opening,
    wire::link::Cursor,
    wire::link::Refusal,
    Option<[u8; 64]>,
    wire::Bytes<64>,
    wire::Text<64>,
    wire::List<u16, 8>,
    wire::List<wire::Bytes<4>, 64>,
    id::HarborId,
    peering::Signal,
    delivery::Content,
    delivery::Receipt,
    delivery::Ranges,
    delivery::SenderChain,
    delivery::Entry,
    delivery::Path,
    delivery::State,
    identity::DeviceSecrets,
    topic::ops::OpBody,
    topic::ops::SignedOp,
    topic::control::ControlObject,
    topic::epoch::EpochHeader,
    topic::epoch::EpochBoxes,
    topic::ratchet::Chain,
    topic::Route,
    endpoint::Command,
    endpoint::Reply,
    endpoint::Event,
    endpoint::CommandError,
    endpoint::Message,
    endpoint::Topic,
    endpoint::Status,
    identity::DeviceCert,
    topic::invite::InviteLink,
    topic::invite::Invite,
    topic::invite::InviteRecord,
    topic::invite::JoinRequest,
    topic::invite::SealedRequest,
    topic::invite::Denied,
    topic::invite::RendezvousObject,
    topic::welcome::Welcome,
    topic::welcome::WelcomePart,
    topic::welcome::Joining,
    topic::epoch::EpochBox,
    endpoint::DirectFrame,
    endpoint::Table,
    endpoint::MessageState,
    delivery::outbox::Sealed,
    delivery::outbox::Composed,
    delivery::outbox::Recent,
    delivery::outbox::Head,
    delivery::Amendment,
    delivery::Amended,
    delivery::amend::EditBody,
    delivery::amend::DeleteBody,
    delivery::amend::ReactBody,
    delivery::amend::ReplyBody,
];

fn one_value_one_form<T: Wire>(bytes: &[u8]) {
    if let Ok(value) = T::from_bytes(bytes) {
        assert_eq!(value.to_bytes(), bytes, "{} has two forms", core::any::type_name::<T>());
    }
}

/// First byte: which decoder. The rest: its input.
pub fn run(input: &[u8]) {
    let Some((&which, bytes)) = input.split_first() else { return };
    if let Some(decoder) = DECODERS.get(usize::from(which)) {
        decoder(bytes);
    }
    if which == 0 {
        let carried = Carried::from_bytes(bytes).is_some();
        let packets = matches!(bytes.first(), Some(3 | 4));
        let decoded = wire::link::ToNode::from_bytes(bytes).is_ok();
        assert_eq!(carried, packets && decoded, "the short way and the codec disagree");
    }
    if which == 1 {
        // Whatever a packet-sized input is, hashing an opening out of it must not fail.
        if let Ok(opening) = wire::link::Opening::from_bytes(bytes) {
            let _ = packet::harbor_id(&opening);
        }
    }
}
