//! Values drawn at random, all of them legal.

use std::fmt;
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use holloway_wire::{
    Bootstrap, Broadcast, CONTACT_ADDRS_MAX, CONTACTS_MAX, CertificateHash, Contact, ControlAddr, ENDPOINTS_MAX,
    EndpointAnnouncement, FromRelay, GROUPS_MAX, HOME_PEERS_MAX, HOME_RELAYS_MAX, Hello, HelloReply, IdentityKey,
    InitiationPayload, InviteBody, InviteSecret, InviteToken, KEPT_MAX, Label, Load, MemberRequest, Membership,
    MembershipCertificate, MtuProbeSize, NamePublication, NameRecord, NetworkId, NodeId, PassedRedemption, Place,
    Publication, PublicationId, PunchCall, REFUSAL_REVOCATIONS_MAX, RELAY_LINKS_MAX, RELAYS_IN_PATH_MAX, RedeemReply,
    RedeemRequest, Refusal, RegistrationId, RelayAnnouncement, RelayChannel, RelayDirection, RelayFrameHeader,
    RelayLink, RelayRefusal, RelayRegistration, RelayState, RelaysReply, ResponsePayload, Revocation, Rights,
    SYNC_BUCKETS, SealedRequest, SessionControl, Signed, SignedMessage, StaticBinding, StaticPublicKey, Suite,
    SyncReply, SyncRequest, ToRelay, UnixTime, Validity, encode_certificates,
};
use proptest::collection::vec;
use proptest::option;
use proptest::prelude::*;

/// The network in which everything is signed.
pub(crate) const NETWORK: NetworkId = NetworkId::from_bytes([7; 32]);

/// The last second that a time can hold.
pub(crate) const LAST_SECOND: u64 = u64::MAX / 1_000_000_000;

/// A value that holds a secret and therefore cannot be shown, in a form that the test runner can carry.
#[derive(Clone)]
pub(crate) struct Hidden<T>(pub(crate) T);

impl<T> fmt::Debug for Hidden<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("(hidden)")
    }
}

/// The identity with a seed that repeats one byte.
pub(crate) fn identity(byte: u8) -> IdentityKey {
    IdentityKey::from_bytes(&[byte; 32])
}

pub(crate) fn label() -> impl Strategy<Value = Label> {
    "[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?".prop_filter_map("a legal label", |text| text.parse().ok())
}

pub(crate) fn node() -> impl Strategy<Value = NodeId> {
    any::<[u8; 32]>().prop_map(|seed| IdentityKey::from_bytes(&seed).node_id())
}

fn second() -> impl Strategy<Value = UnixTime> {
    prop_oneof![Just(0), Just(LAST_SECOND), 0..=LAST_SECOND].prop_map(UnixTime::from_secs)
}

fn nanosecond() -> impl Strategy<Value = UnixTime> {
    any::<u64>().prop_map(UnixTime::from_nanos)
}

fn rights() -> impl Strategy<Value = Rights> {
    (0..=Rights::ALL.bits()).prop_map(|bits| Rights::from_bits(bits).expect("all bits are known"))
}

pub(crate) fn socket_addr() -> impl Strategy<Value = SocketAddr> {
    (any::<IpAddr>(), any::<u16>()).prop_map(|(ip, port)| SocketAddr::new(ip.to_canonical(), port))
}

fn plain_text() -> impl Strategy<Value = String> {
    "[^\\p{Cc}]{0,32}"
}

pub(crate) fn membership(issuer: NodeId) -> impl Strategy<Value = Membership> {
    let validity =
        (second(), option::of(second())).prop_map(|(not_before, not_after)| Validity { not_before, not_after });
    (node(), label(), rights(), vec("[a-z0-9-]{1,32}", 0..=GROUPS_MAX), validity).prop_map(
        move |(subject, label, rights, groups, validity)| Membership {
            subject,
            label,
            rights,
            groups,
            validity,
            issuer,
        },
    )
}

pub(crate) fn binding(subject: NodeId) -> impl Strategy<Value = StaticBinding> {
    any::<([u8; 32], u64)>().prop_map(move |(key, sequence)| StaticBinding {
        subject,
        key: StaticPublicKey(key),
        sequence,
    })
}

pub(crate) fn revocation(revoker: NodeId) -> impl Strategy<Value = Revocation> {
    (node(), second(), vec(any::<[u8; 32]>().prop_map(CertificateHash), 0..=KEPT_MAX))
        .prop_map(move |(subject, at, kept)| Revocation { subject, revoker, at, kept })
}

fn control_addr() -> impl Strategy<Value = ControlAddr> {
    (any::<bool>(), socket_addr())
        .prop_map(|(is_tcp, address)| if is_tcp { ControlAddr::Tcp(address) } else { ControlAddr::Quic(address) })
}

fn contact() -> impl Strategy<Value = Contact> {
    (node(), vec(control_addr(), 0..=CONTACT_ADDRS_MAX)).prop_map(|(node, control)| Contact { node, control })
}

pub(crate) fn announcement(from: NodeId) -> impl Strategy<Value = EndpointAnnouncement> {
    (
        any::<u64>(),
        second(),
        vec(socket_addr(), 0..=ENDPOINTS_MAX),
        vec(control_addr(), 0..=ENDPOINTS_MAX),
        vec(node(), 0..=HOME_PEERS_MAX),
        vec(node(), 0..=HOME_RELAYS_MAX),
    )
        .prop_map(move |(sequence, expires, endpoints, control, home_peers, relays)| EndpointAnnouncement {
            node: from,
            sequence,
            expires,
            endpoints,
            control,
            home_peers,
            relays,
        })
}

pub(crate) fn names(node: NodeId) -> impl Strategy<Value = NamePublication> {
    let record = ("[a-z_.]{0,40}", "[A-Z]{1,10}", "\\PC{0,200}").prop_map(|(name, record_type, value)| NameRecord {
        name,
        record_type,
        value,
    });
    (any::<u64>(), vec(record, 0..8)).prop_map(move |(sequence, records)| NamePublication { node, sequence, records })
}

pub(crate) fn punch(from: NodeId) -> impl Strategy<Value = PunchCall> {
    (node(), nanosecond(), vec(socket_addr(), 0..=ENDPOINTS_MAX)).prop_map(move |(to, at, endpoints)| PunchCall {
        from,
        to,
        at,
        endpoints,
    })
}

pub(crate) fn bootstrap() -> impl Strategy<Value = Bootstrap> {
    let host = prop_oneof![
        any::<IpAddr>().prop_map(|ip| ip.to_string()),
        "[a-z0-9]{1,20}(\\.[a-z0-9-]{1,20}){0,3}".prop_map(|host| host),
    ];
    (host, any::<u16>(), any::<u16>()).prop_map(|(host, tcp, quic)| Bootstrap { host, tcp, quic })
}

pub(crate) fn invite(issuer: NodeId) -> impl Strategy<Value = Hidden<InviteBody>> {
    (
        any::<([u8; 32], [u8; 16])>(),
        label(),
        vec(bootstrap(), 0..=InviteToken::BOOTSTRAP_MAX),
        option::of(label()),
        second(),
        rights(),
        vec(contact(), 0..=HOME_RELAYS_MAX),
    )
        .prop_map(move |((network, secret), network_label, bootstrap, host_label, expires, rights, via)| {
            Hidden(InviteBody {
                network: NetworkId::from_bytes(network),
                network_label,
                issuer,
                bootstrap,
                secret: InviteSecret::from_bytes(secret),
                host_label,
                expires,
                rights,
                via,
            })
        })
}

/// A body signed by a random key.
pub(crate) fn signed<T, S>(body: impl Fn(NodeId) -> S + Clone) -> impl Strategy<Value = Signed<T>>
where
    T: SignedMessage + fmt::Debug,
    S: Strategy<Value = T>,
{
    any::<[u8; 32]>().prop_flat_map(move |seed| {
        let signer = IdentityKey::from_bytes(&seed).node_id();
        body(signer).prop_map(move |value| Signed::sign(value, &IdentityKey::from_bytes(&seed), &NETWORK))
    })
}

pub(crate) fn certificate() -> impl Strategy<Value = MembershipCertificate> {
    (any::<[u8; 32]>(), signed(binding)).prop_flat_map(|(seed, binding)| {
        let issuer = IdentityKey::from_bytes(&seed).node_id();
        membership(issuer).prop_map(move |membership| {
            let membership = Membership { subject: binding.value().subject, ..membership };
            MembershipCertificate::issue(membership, binding.clone(), &IdentityKey::from_bytes(&seed), &NETWORK)
                .expect("both halves name the same subject")
        })
    })
}

pub(crate) fn publication() -> impl Strategy<Value = Publication> {
    prop_oneof![
        certificate().prop_map(Publication::Certificate),
        signed(revocation).prop_map(Publication::Revocation),
        signed(announcement).prop_map(Publication::Endpoints),
        signed(names).prop_map(Publication::Names),
    ]
}

pub(crate) fn hello() -> impl Strategy<Value = Hello> {
    (any::<u8>(), plain_text(), nanosecond(), vec(certificate(), 1..4), option::of(signed(announcement))).prop_map(
        |(version, software, time, chain, announcement)| Hello { version, software, time, chain, announcement },
    )
}

pub(crate) fn hello_reply() -> impl Strategy<Value = HelloReply> {
    prop_oneof![
        hello().prop_map(|hello| HelloReply::Welcome(Box::new(hello))),
        (plain_text(), vec(signed(revocation), 0..=REFUSAL_REVOCATIONS_MAX))
            .prop_map(|(reason, revocations)| HelloReply::Refused { reason, revocations }),
    ]
}

pub(crate) fn passed_redemption() -> impl Strategy<Value = PassedRedemption> {
    (node(), sealed()).prop_map(|(issuer, sealed)| PassedRedemption { issuer, sealed })
}

fn sealed() -> impl Strategy<Value = SealedRequest> {
    vec(any::<u8>(), 0..300).prop_map(SealedRequest)
}

pub(crate) fn redeem_request() -> impl Strategy<Value = Hidden<RedeemRequest>> {
    (nanosecond(), any::<[u8; 16]>(), label(), signed(binding)).prop_map(|(time, secret, label, binding)| {
        Hidden(RedeemRequest { time, secret: InviteSecret::from_bytes(secret), label, binding })
    })
}

pub(crate) fn redeem_reply() -> impl Strategy<Value = RedeemReply> {
    let refusal = prop_oneof![
        Just(Refusal::Unknown),
        Just(Refusal::Expired),
        Just(Refusal::Spent),
        Just(Refusal::Withdrawn),
        Just(Refusal::Revoked),
        Just(Refusal::NameTaken),
        Just(Refusal::NotAnIssuer),
        Just(Refusal::ClockSkew),
        Just(Refusal::Malformed),
        Just(Refusal::Unavailable),
    ];
    prop_oneof![
        (vec(certificate(), 0..4), vec(contact(), 0..=CONTACTS_MAX))
            .prop_map(|(chain, contacts)| RedeemReply::Granted { chain, contacts }),
        (refusal, plain_text()).prop_map(|(refusal, detail)| RedeemReply::Refused { refusal, detail }),
    ]
}

fn publication_ids() -> impl Strategy<Value = Vec<PublicationId>> {
    vec(any::<[u8; 16]>().prop_map(PublicationId), 0..40)
}

pub(crate) fn sync_request() -> impl Strategy<Value = SyncRequest> {
    prop_oneof![
        vec(any::<[u8; 8]>(), SYNC_BUCKETS).prop_map(|digests| SyncRequest::Compare { digests }),
        publication_ids().prop_map(|ids| SyncRequest::Fetch { ids }),
    ]
}

pub(crate) fn sync_reply() -> impl Strategy<Value = SyncReply> {
    prop_oneof![
        publication_ids().prop_map(|ids| SyncReply::Ids { ids }),
        vec(publication(), 0..4).prop_map(|items| SyncReply::Items { items }),
    ]
}

pub(crate) fn session_control() -> impl Strategy<Value = SessionControl> {
    prop_oneof![
        any::<u64>().prop_map(|id| SessionControl::Ping { id }),
        (any::<u64>(), socket_addr()).prop_map(|(id, observed)| SessionControl::Pong { id, observed }),
        any::<u64>().prop_map(|id| SessionControl::Probe { id }),
        (any::<u64>(), socket_addr()).prop_map(|(id, observed)| SessionControl::ProbeReply { id, observed }),
        Just(SessionControl::RevocationsWanted),
        signed(revocation).prop_map(SessionControl::Revocation),
        any::<(u64, [u8; 16])>().prop_map(|(count, digest)| SessionControl::RevocationsEnd { count, digest }),
        (any::<u64>(), mtu_probe_size()).prop_map(|(id, size)| SessionControl::MtuProbe { id, size }),
        (any::<u64>(), mtu_probe_size()).prop_map(|(id, size)| SessionControl::MtuProbeReply { id, size }),
        vec(socket_addr(), 0..=ENDPOINTS_MAX).prop_map(|endpoints| SessionControl::Call { endpoints }),
    ]
}

fn mtu_probe_size() -> impl Strategy<Value = MtuProbeSize> {
    let sizes = prop_oneof![MtuProbeSize::MIN.get()..2000, MtuProbeSize::MIN.get()..=u16::MAX];
    sizes.prop_map(|size| MtuProbeSize::new(size).expect("within its range"))
}

/// A payload whose certificate fits: one, as parents may be left out.
pub(crate) fn initiation() -> impl Strategy<Value = InitiationPayload> {
    (nanosecond(), any::<[u8; 16]>(), certificate()).prop_map(|(timestamp, revocations, certificate)| {
        InitiationPayload { timestamp, capabilities: Default::default(), revocations, certificates: vec![certificate] }
    })
}

pub(crate) fn response() -> impl Strategy<Value = ResponsePayload> {
    let suite = prop_oneof![Just(Suite::ChaCha20Poly1305), Just(Suite::Aes256Gcm)];
    (suite, any::<[u8; 16]>(), socket_addr()).prop_map(|(suite, revocations, observed)| ResponsePayload {
        suite,
        revocations,
        observed,
    })
}

pub(crate) fn channel() -> impl Strategy<Value = RelayChannel> {
    any::<u32>().prop_map(RelayChannel)
}

pub(crate) fn relay_frame_header() -> impl Strategy<Value = RelayFrameHeader> {
    let direction = prop_oneof![Just(RelayDirection::ToRelay), Just(RelayDirection::FromRelay)];
    (direction, channel()).prop_map(|(direction, channel)| RelayFrameHeader { direction, channel })
}

fn place() -> impl Strategy<Value = Place> {
    (-9_000..=9_000i16, -18_000..=18_000i16)
        .prop_map(|(latitude, longitude)| Place::new(latitude, longitude).expect("on the globe"))
}

fn load() -> impl Strategy<Value = Load> {
    (0..=100u8).prop_map(Load::of_percent)
}

fn relay_state() -> impl Strategy<Value = RelayState> {
    prop_oneof![Just(RelayState::Open), Just(RelayState::Draining)]
}

fn relay_link() -> impl Strategy<Value = RelayLink> {
    (node(), any::<u32>()).prop_map(|(relay, rtt)| RelayLink::new(relay, Duration::from_micros(rtt.into())))
}

pub(crate) fn relay_announcement(from: NodeId) -> impl Strategy<Value = RelayAnnouncement> {
    (
        (any::<u64>(), second(), label(), option::of(place())),
        (any::<u32>(), load(), any::<u32>(), relay_state()),
        (plain_text(), plain_text(), vec(socket_addr(), 0..=ENDPOINTS_MAX), option::of(1..=u16::MAX)),
        vec(relay_link(), 0..=RELAY_LINKS_MAX),
    )
        .prop_map(
            move |(
                (sequence, expires, name, place),
                (capacity_mbps, load, members, state),
                (region, software, endpoints, stream_port),
                links,
            )| RelayAnnouncement {
                node: from,
                sequence,
                expires,
                name,
                region,
                place,
                capacity_mbps,
                load,
                members,
                software,
                endpoints,
                stream_port,
                state,
                links,
            },
        )
}

pub(crate) fn relay_registration(from: NodeId) -> impl Strategy<Value = RelayRegistration> {
    (node(), any::<[u8; 32]>(), socket_addr()).prop_map(move |(relay, challenge, observed)| RelayRegistration {
        node: from,
        relay,
        challenge,
        observed,
    })
}

/// Certificates that fit an answer beside the registration.
fn fitting_certificates() -> impl Strategy<Value = Vec<MembershipCertificate>> {
    vec(certificate(), 1..4).prop_map(|mut certificates| {
        while encode_certificates(&certificates).len() > 900 {
            certificates.pop();
        }
        certificates
    })
}

fn route() -> impl Strategy<Value = Vec<NodeId>> {
    vec(node(), 0..RELAYS_IN_PATH_MAX)
}

pub(crate) fn to_relay() -> impl Strategy<Value = ToRelay> {
    let registration = any::<u64>().prop_map(RegistrationId);
    prop_oneof![
        any::<u64>().prop_map(|id| ToRelay::Register { id }),
        (any::<u64>(), signed(relay_registration), fitting_certificates())
            .prop_map(|(id, registration, certificates)| ToRelay::Answer { id, registration, certificates }),
        (registration.clone(), any::<u64>()).prop_map(|(registration, id)| ToRelay::Ping { registration, id }),
        (registration.clone(), any::<u64>(), node(), vec(node(), 0..=HOME_RELAYS_MAX))
            .prop_map(|(registration, id, node, relays)| ToRelay::Bind { registration, id, node, relays }),
        (registration, any::<u64>(), node(), node(), vec(node(), 0..RELAYS_IN_PATH_MAX - 1), any::<u32>()).prop_map(
            |(registration, id, from, to, route, channel)| ToRelay::Extend {
                registration,
                id,
                from,
                to,
                route,
                channel: RelayChannel(channel)
            }
        ),
    ]
}

pub(crate) fn from_relay() -> impl Strategy<Value = FromRelay> {
    let refusal = prop_oneof![
        Just(RelayRefusal::Full),
        Just(RelayRefusal::NotAMember),
        Just(RelayRefusal::Draining),
        Just(RelayRefusal::Quota),
    ];
    let id = any::<u64>;
    prop_oneof![
        (id(), any::<[u8; 32]>(), socket_addr()).prop_map(|(id, challenge, observed)| FromRelay::Challenge {
            id,
            challenge,
            observed
        }),
        (id(), any::<u64>(), any::<u16>(), relay_state(), any::<bool>()).prop_map(
            |(id, registration, seconds, state, resumed)| {
                FromRelay::Registered {
                    id,
                    registration: RegistrationId(registration),
                    lifetime: Duration::from_secs(seconds.into()),
                    state,
                    resumed,
                }
            }
        ),
        (id(), refusal).prop_map(|(id, refusal)| FromRelay::Refused { id, refusal }),
        (id(), socket_addr(), load(), relay_state()).prop_map(|(id, observed, load, state)| FromRelay::Pong {
            id,
            observed,
            load,
            state
        }),
        (id(), node(), channel(), route()).prop_map(|(id, node, channel, route)| FromRelay::Bound {
            id,
            node,
            channel,
            route
        }),
        (id(), channel()).prop_map(|(id, channel)| FromRelay::Extended { id, channel }),
        (id(), node()).prop_map(|(id, node)| FromRelay::Unbound { id, node }),
        channel().prop_map(|channel| FromRelay::Gone { channel }),
    ]
}

pub(crate) fn broadcast() -> impl Strategy<Value = Broadcast> {
    prop_oneof![publication().prop_map(Broadcast::Publication), signed(relay_announcement).prop_map(Broadcast::Relay),]
}

pub(crate) fn member_request() -> impl Strategy<Value = MemberRequest> {
    prop_oneof![
        signed(punch).prop_map(MemberRequest::Call),
        Just(MemberRequest::Relays),
        sealed().prop_map(MemberRequest::Redeem),
    ]
}

pub(crate) fn relays_reply() -> impl Strategy<Value = RelaysReply> {
    vec(signed(relay_announcement), 0..4).prop_map(|relays| RelaysReply { relays })
}
