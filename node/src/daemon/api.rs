use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use async_trait::async_trait;
use holloway_dashboard::api as doc;
use holloway_dashboard::api::{ApiError, ErrorCode, InNetwork, SchemaVersion};
use holloway_dashboard::server::Daemon;
use holloway_dns::{Answer, PublishedRecord, QueryError, Server};
use holloway_mesh::{Command, Invite, InviteState, Reply};
use holloway_wire::{
    Bootstrap, InviteId, Label, Membership as MembershipBody, MembershipCertificate, NameError, NameRecord,
    OverlayAddr, UnixTime,
};
use tokio::sync::{broadcast, mpsc, oneshot};

use super::atlas::Atlas;
use super::engine::{Call, Done, Input, NetworkView, View};
use super::explaining;
use super::journal::{Journal, shown};
use super::membership::Membership;
use super::metrics::{self, Figures};
use super::names::fqdn;
use super::status::{path_at, peer_status, rights, status, to_rights};
use crate::clock::rfc3339;
use crate::store::Store;

/// How long an invite holds where nobody says.
const INVITE_LIFETIME: Duration = Duration::from_secs(7 * 24 * 3600);

/// Longest lifetime of an invite: a year; longer ones are forgotten keys to the house.
const INVITE_LIFETIME_MAX: Duration = Duration::from_secs(366 * 24 * 3600);

/// Longest wait for a ping.
const PING_TIMEOUT_MAX: Duration = Duration::from_secs(30);

/// TTL of published records, as the zone gives them.
const RECORD_TTL: u32 = 30;

/// The daemon behind the local API: turns requests into commands of the engine, and results into documents.
pub(crate) struct Api {
    pub(crate) inputs: mpsc::Sender<Input>,
    pub(crate) membership: Membership,
    pub(crate) journal: Journal,
    pub(crate) store: Store,
    pub(crate) started: Instant,
    pub(crate) is_ready: Arc<AtomicBool>,
    pub(crate) atlas: Option<Arc<Atlas>>,
}

impl Api {
    async fn ask<T>(&self, call: impl FnOnce(oneshot::Sender<T>) -> Call) -> Result<T, ApiError> {
        let (sender, receiver) = oneshot::channel();
        let stopping = || ApiError::new(ErrorCode::DaemonNotRunning, "the daemon is stopping");
        self.inputs.send(Input::Call(call(sender))).await.map_err(|_| stopping())?;
        receiver.await.map_err(|_| stopping())
    }

    async fn view(&self) -> Result<View, ApiError> {
        self.ask(Call::View).await
    }

    async fn command(&self, network: Option<String>, command: Command) -> Result<Done, ApiError> {
        self.ask(|reply| Call::Command { network, command, reply }).await?
    }

    /// The networks that a question is about: the named one, or all.
    async fn networks(&self, wanted: &InNetwork) -> Result<Vec<NetworkView>, ApiError> {
        let mut networks = self.view().await?.networks;
        if let Some(label) = &wanted.network {
            networks.retain(|network| network.label.as_str() == label);
            if networks.is_empty() {
                let what = format!("this machine is in no network called {label:?}");
                return Err(ApiError::new(ErrorCode::NotFound, what).with_hint("holloway status"));
            }
        }
        Ok(networks)
    }

    /// A record's name as it is published, below this machine's own; whoever writes the whole name means the same.
    async fn below_own_name(&self, name: &str, network: &Option<String>) -> Result<String, ApiError> {
        let whole = name.trim_end_matches('.').to_ascii_lowercase();
        if !whole.ends_with(".alt") {
            return Ok(name.to_owned());
        }
        let networks = self.networks(&InNetwork { network: network.clone() }).await?;
        let own: Vec<String> = networks.iter().map(|network| fqdn(&network.snapshot.label, &network.label)).collect();
        let below =
            |own: &String| whole.strip_suffix(own.as_str()).filter(|rest| rest.is_empty() || rest.ends_with('.'));
        own.iter().find_map(below).map(|rest| rest.trim_end_matches('.').to_owned()).ok_or_else(|| {
            ApiError::new(ErrorCode::Usage, format!("{name:?} is not below this machine's name ({})", own.join(", ")))
                .with_hint("each machine publishes what is below its own name")
        })
    }

    async fn dns(&self) -> Result<Arc<Server>, ApiError> {
        self.view().await?.dns.ok_or_else(|| {
            ApiError::new(ErrorCode::NotFound, "names are switched off on this machine")
                .with_hint("set enabled = true under [dns] in holloway.toml")
        })
    }
}

#[async_trait]
impl Daemon for Api {
    async fn status(&self) -> Result<doc::Status, ApiError> {
        let view = self.view().await?;
        let state = match (self.is_ready.load(Ordering::Acquire), view.networks.is_empty()) {
            (false, _) => doc::DaemonState::Starting,
            (true, true) => doc::DaemonState::Waiting,
            (true, false) => doc::DaemonState::Ready,
        };
        Ok(status(&view, self.started.elapsed(), state, self.membership.is_on()))
    }

    async fn peers(&self, network: InNetwork) -> Result<doc::Peers, ApiError> {
        let mut peers = Vec::new();
        for network in self.networks(&network).await? {
            peers.extend(network.snapshot.peers.iter().map(|peer| doc::PeerInNetwork {
                network: network.label.to_string(),
                peer: peer_status(peer, &network),
            }));
        }
        Ok(doc::Peers { schema: SchemaVersion, peers })
    }

    async fn relays(&self, network: InNetwork) -> Result<doc::Relays, ApiError> {
        let networks = self.networks(&network).await?;
        let mut relays: Vec<_> = networks.iter().flat_map(explaining::relays).collect();
        let mut own: Vec<_> = networks.iter().filter_map(explaining::own_relay).collect();
        if let Some(atlas) = &self.atlas {
            let known = relays.iter_mut().map(|relay| &mut relay.announced);
            known.chain(own.iter_mut().map(|own| &mut own.announced)).for_each(|relay| atlas.add_place(relay));
        }
        Ok(doc::Relays { schema: SchemaVersion, relays, own })
    }

    async fn why(&self, query: doc::WhyQuery) -> Result<doc::Why, ApiError> {
        let asked = self.ask(|reply| Call::Chain { network: query.network, member: Some(query.name), reply });
        let (network, chain) = asked.await??;
        let node = chain.first().ok_or_else(unexpected)?.membership().subject;
        let peer = network.snapshot.peers.iter().find(|peer| peer.node == node).ok_or_else(|| {
            ApiError::new(ErrorCode::Usage, "that is this machine itself")
                .with_hint("the other members: holloway peers")
        })?;
        Ok(explaining::why(peer, &network))
    }

    async fn routes(&self, network: InNetwork) -> Result<doc::Routes, ApiError> {
        let networks = self.networks(&network).await?;
        Ok(doc::Routes { schema: SchemaVersion, routes: networks.iter().flat_map(explaining::routes).collect() })
    }

    async fn netcheck(&self, network: InNetwork) -> Result<doc::Netcheck, ApiError> {
        let networks = self.networks(&network).await?;
        let checked = networks.iter().map(|network| explaining::netcheck(network, Instant::now()));
        Ok(doc::Netcheck { schema: SchemaVersion, networks: checked.collect() })
    }

    async fn events(&self, query: doc::EventsQuery) -> Result<doc::Events, ApiError> {
        let after = query.after.unwrap_or(0);
        let events = self
            .store
            .events(after, query.limit.unwrap_or(u32::MAX))
            .await
            .map_err(|error| ApiError::new(ErrorCode::Internal, error.to_string()).with_hint("holloway doctor"))?;
        let next = events.last().map_or(after, |event| event.id);
        Ok(doc::Events { schema: SchemaVersion, events: events.into_iter().map(shown).collect(), next })
    }

    fn subscribe(&self) -> broadcast::Receiver<doc::Event> {
        self.journal.subscribe()
    }

    async fn create_network(&self, request: doc::CreateNetwork) -> Result<doc::NetworkCreated, ApiError> {
        self.membership.create(request).await
    }

    async fn join(&self, request: doc::Join) -> Result<doc::Joined, ApiError> {
        self.membership.join(request).await
    }

    async fn leave(&self, label: String) -> Result<doc::Left, ApiError> {
        self.membership.leave(&label).await
    }

    async fn create_invite(&self, request: doc::CreateInvite) -> Result<doc::InviteCreated, ApiError> {
        let networks = self.networks(&InNetwork { network: request.network.clone() }).await?;
        let command = Command::CreateInvite {
            label: request.name.as_deref().map(parse_name).transpose()?,
            rights: to_rights(&request.rights),
            groups: parse_groups(&request.groups)?,
            lifetime: lifetime(request.expires_s)?,
            needs_approval: request.approval,
            bootstrap: bootstrap(&request.bootstrap, &networks)?,
        };
        if networks.len() == 1 && matches!(&command, Command::CreateInvite { bootstrap, .. } if bootstrap.is_empty()) {
            return Err(ApiError::new(ErrorCode::Usage, "this machine has no address that the invite could lead to")
                .with_hint("say where it can be reached: holloway invite --bootstrap <host or address>"));
        }
        let Done { network, reply } = self.command(request.network, command).await?;
        let Reply::InviteCreated { invite, token } = reply else {
            return Err(unexpected());
        };
        Ok(doc::InviteCreated {
            schema: SchemaVersion,
            id: invite.id.to_string(),
            token: doc::InviteText::new(token.to_string()),
            network: network.label.to_string(),
            name: invite.label.as_ref().map(Label::to_string),
            rights: rights(invite.rights),
            groups: invite.groups,
            approval: invite.needs_approval,
            expires: Some(rfc3339(invite.expires)),
            bootstrap: token.body().bootstrap.iter().map(Bootstrap::to_string).collect(),
        })
    }

    async fn invites(&self, network: InNetwork) -> Result<doc::Invites, ApiError> {
        let mut invites = Vec::new();
        for network in self.networks(&network).await? {
            let done = self.command(Some(network.label.to_string()), Command::Invites).await?;
            let Reply::Invites(found) = done.reply else {
                return Err(unexpected());
            };
            invites.extend(found.iter().map(|invite| invite_summary(invite, &done.network)));
        }
        Ok(doc::Invites { schema: SchemaVersion, invites })
    }

    async fn revoke_invite(&self, id: String, network: InNetwork) -> Result<doc::InviteRevoked, ApiError> {
        self.command(network.network, Command::WithdrawInvite(parse_invite_id(&id)?)).await?;
        Ok(doc::InviteRevoked { schema: SchemaVersion, id, state: doc::InviteState::Withdrawn })
    }

    async fn approve(&self, id: String, request: doc::Approve) -> Result<doc::Approved, ApiError> {
        let node = request.node_id.parse().map_err(|_| {
            ApiError::new(ErrorCode::Usage, format!("{:?} is not the key of a machine", request.node_id))
                .with_hint("holloway invites")
        })?;
        let command = Command::Approve { invite: parse_invite_id(&id)?, node };
        self.command(request.network, command).await?;
        Ok(doc::Approved { schema: SchemaVersion, id, node_id: request.node_id })
    }

    async fn revoke(&self, request: doc::Revoke) -> Result<doc::Revoked, ApiError> {
        let done = self.command(request.network, Command::Revoke { member: request.name }).await?;
        let (name, node_id, also) = member(done)?;
        Ok(doc::Revoked { schema: SchemaVersion, name, node_id, also })
    }

    async fn block(&self, request: doc::Block) -> Result<doc::Blocked, ApiError> {
        let done = self.command(request.network, Command::Block { member: request.name }).await?;
        let (name, node_id, _) = member(done)?;
        Ok(doc::Blocked { schema: SchemaVersion, name, node_id })
    }

    async fn unblock(&self, name: String, network: InNetwork) -> Result<doc::Unblocked, ApiError> {
        let done = self.command(network.network, Command::Unblock { member: name }).await?;
        let (name, node_id, _) = member(done)?;
        Ok(doc::Unblocked { schema: SchemaVersion, name, node_id })
    }

    async fn blocks(&self, network: InNetwork) -> Result<doc::Blocks, ApiError> {
        let mut blocks = Vec::new();
        for network in self.networks(&network).await? {
            for node in &network.snapshot.blocked {
                let peer = network.snapshot.peers.iter().find(|peer| peer.node == *node);
                blocks.push(doc::BlockEntry {
                    network: network.label.to_string(),
                    name: peer.map(|peer| peer.label.to_string()),
                    node_id: node.to_string(),
                });
            }
        }
        Ok(doc::Blocks { schema: SchemaVersion, blocks })
    }

    async fn certificate(&self, name: Option<String>, network: InNetwork) -> Result<doc::CertificateChain, ApiError> {
        let asked = self.ask(|reply| Call::Chain { network: network.network, member: name, reply });
        let (network, chain) = asked.await??;
        let mut views = chain.iter().map(|certificate| certificate_view(certificate, &network));
        let certificate = views.next().ok_or_else(unexpected)?;
        Ok(doc::CertificateChain {
            schema: SchemaVersion,
            network: network.label.to_string(),
            certificate,
            chain: views.collect(),
        })
    }

    async fn dns_list(&self, network: InNetwork) -> Result<doc::DnsList, ApiError> {
        let mut records = Vec::new();
        for network in self.networks(&network).await? {
            let own = network.snapshot.names.iter().filter(|(node, _)| *node == network.snapshot.node);
            let host = &network.snapshot.label;
            records.extend(own.flat_map(|(_, records)| records).map(|record| dns_record(record, host, &network)));
        }
        Ok(doc::DnsList { schema: SchemaVersion, records })
    }

    async fn names(&self, network: InNetwork) -> Result<doc::Names, ApiError> {
        let networks = self.networks(&network).await?;
        Ok(doc::Names { schema: SchemaVersion, names: networks.iter().flat_map(published_names).collect() })
    }

    async fn dns_add(&self, request: doc::DnsAdd) -> Result<doc::DnsAdded, ApiError> {
        let label = self.below_own_name(&request.label, &request.network).await?;
        let record = PublishedRecord::parse(&label, &request.record_type, &request.value)
            .map_err(|error| ApiError::new(ErrorCode::Usage, error.to_string()))?;
        let record = NameRecord {
            name: record.name().to_owned(),
            record_type: record.kind().to_string(),
            value: record.value().to_owned(),
        };
        let done = self.command(request.network, Command::AddName(record.clone())).await?;
        Ok(doc::DnsAdded {
            schema: SchemaVersion,
            record: dns_record(&record, &done.network.snapshot.label, &done.network),
        })
    }

    async fn dns_remove(&self, request: doc::DnsRemove) -> Result<doc::DnsRemoved, ApiError> {
        let label = self.below_own_name(&request.label, &request.network).await?.to_ascii_lowercase();
        let wanted = |record: &&NameRecord| {
            record.name == label
                && request.record_type.as_deref().is_none_or(|kind| kind.eq_ignore_ascii_case(&record.record_type))
                && request.value.as_deref().is_none_or(|value| value == record.value)
        };
        let networks = self.networks(&InNetwork { network: request.network.clone() }).await?;
        let own = networks
            .iter()
            .flat_map(|network| network.snapshot.names.iter().filter(|(node, _)| *node == network.snapshot.node));
        let records: Vec<NameRecord> = own.flat_map(|(_, records)| records).filter(wanted).cloned().collect();
        if records.is_empty() {
            let what = format!("no such record of {label:?} is published here");
            return Err(ApiError::new(ErrorCode::NotFound, what).with_hint("holloway dns list"));
        }
        let removed = records.len() as u64;
        for record in records {
            let NameRecord { name, record_type, value } = record;
            let command = Command::RemoveName { name, record_type, value: Some(value) };
            self.command(request.network.clone(), command).await?;
        }
        Ok(doc::DnsRemoved { schema: SchemaVersion, removed })
    }

    async fn dns_query(&self, query: doc::DnsQuery) -> Result<doc::DnsReply, ApiError> {
        let record_type = query.record_type.unwrap_or_else(|| "AAAA".into()).to_ascii_uppercase();
        let answer = self.dns().await?.query(&query.name, &record_type).await.map_err(|error| query_error(&error))?;
        let rcode = match &answer {
            Answer::Records { .. } | Answer::NoData { .. } => "NOERROR",
            Answer::NxDomain { .. } => "NXDOMAIN",
        };
        let answers = answer.records().iter().map(|record| doc::DnsAnswer {
            name: record.name().to_string(),
            ttl: record.ttl_seconds(),
            record_type: record.rtype().to_string(),
            value: record.data().to_string(),
        });
        Ok(doc::DnsReply {
            schema: SchemaVersion,
            name: query.name,
            record_type,
            rcode: rcode.into(),
            answers: answers.collect(),
        })
    }

    async fn ping(&self, request: doc::Ping) -> Result<doc::PingReply, ApiError> {
        let timeout = Duration::from_millis(request.timeout_ms).min(PING_TIMEOUT_MAX);
        let done = self.command(request.network, Command::Ping { member: request.target, timeout }).await?;
        let Reply::Pong { label, address, rtt, endpoint, relay, route, .. } = done.reply else {
            return Err(unexpected());
        };
        let rtt_ms = rtt.as_secs_f64() * 1000.0;
        let path = doc::PathStatus { rtt_ms: Some(rtt_ms), ..path_at(&endpoint, relay.as_ref(), &route) };
        Ok(doc::PingReply {
            schema: SchemaVersion,
            name: fqdn(&label, &done.network.label),
            address: address.to_string(),
            rtt_ms,
            path,
        })
    }

    async fn switch(&self, request: doc::Switch) -> Result<doc::Switched, ApiError> {
        self.membership.switch(request.on).await
    }

    async fn down(&self) -> Result<doc::Down, ApiError> {
        self.inputs
            .send(Input::Call(Call::Stop))
            .await
            .map_err(|_| ApiError::new(ErrorCode::DaemonNotRunning, "the daemon is stopping"))?;
        Ok(doc::Down { schema: SchemaVersion, stopping: true })
    }

    fn health(&self) -> doc::Health {
        let ready = self.is_ready.load(Ordering::Acquire) && !self.inputs.is_closed();
        let reasons = if ready { Vec::new() } else { vec!["the daemon is starting or stopping".to_owned()] };
        doc::Health { schema: SchemaVersion, live: !self.inputs.is_closed(), ready, reasons }
    }

    async fn metrics(&self) -> Result<String, ApiError> {
        let (status, view) = (self.status().await?, self.view().await?);
        Ok(metrics::rendered(&Figures {
            status,
            relays: doc::Relays {
                schema: SchemaVersion,
                relays: view.networks.iter().flat_map(explaining::relays).collect(),
                own: view.networks.iter().filter_map(explaining::own_relay).collect(),
            },
            dns: view.dns.map(|server| server.snapshot()),
            uptime: self.started.elapsed(),
            unix: Duration::from_nanos(now_nanos()),
        }))
    }
}

fn unexpected() -> ApiError {
    ApiError::new(ErrorCode::Internal, "the answer does not fit the question").with_hint("please report this")
}

#[expect(clippy::wildcard_enum_match_arm, reason = "what is not the question's fault is the servers'")]
fn query_error(error: &QueryError) -> ApiError {
    let text = error.to_string();
    match error {
        QueryError::Question(_) | QueryError::Refused(_) => ApiError::new(ErrorCode::Usage, text),
        // The servers that are asked gave no answer in time.
        _ => ApiError::new(ErrorCode::Timeout, text).with_hint("see which servers are asked: holloway doctor"),
    }
}

fn parse_name(name: &str) -> Result<Label, ApiError> {
    name.parse().map_err(|error: NameError| {
        ApiError::new(ErrorCode::NameInvalid, format!("{name:?} cannot be a name: {error}"))
    })
}

fn parse_groups(groups: &[String]) -> Result<Vec<String>, ApiError> {
    if groups.len() > holloway_wire::GROUPS_MAX {
        let what = format!("a member has at most {} groups", holloway_wire::GROUPS_MAX);
        return Err(ApiError::new(ErrorCode::Usage, what));
    }
    match groups.iter().find(|group| !MembershipBody::is_group_name(group)) {
        Some(group) => Err(ApiError::new(
            ErrorCode::NameInvalid,
            format!("{group:?} cannot name a group: lower-case letters, digits and hyphens, at most 32"),
        )),
        None => Ok(groups.to_vec()),
    }
}

fn lifetime(seconds: Option<u64>) -> Result<Duration, ApiError> {
    let lifetime = seconds.map_or(INVITE_LIFETIME, Duration::from_secs);
    if lifetime.is_zero() || lifetime > INVITE_LIFETIME_MAX {
        return Err(ApiError::new(ErrorCode::Usage, "an invite holds between one second and a year"));
    }
    Ok(lifetime)
}

/// Where newcomers find this machine: as told, or at every address that it knows of itself.
fn bootstrap(told: &[String], networks: &[NetworkView]) -> Result<Vec<Bootstrap>, ApiError> {
    if told.is_empty() {
        return match networks {
            [network] => Ok(network.bootstrap.clone()),
            _ => Ok(Vec::new()),
        };
    }
    let ports = networks.first().and_then(|network| network.bootstrap.first()).map(|own| (own.tcp, own.quic));
    told.iter().map(|text| parse_bootstrap(text, ports)).collect()
}

/// A told address without a port means this machine's own ports.
fn parse_bootstrap(text: &str, ports: Option<(u16, u16)>) -> Result<Bootstrap, ApiError> {
    let parsed: Bootstrap = text.parse().map_err(|_| {
        ApiError::new(ErrorCode::Usage, format!("{text:?} is not a host or address, with or without a port"))
    })?;
    let has_port = parsed.to_string() == text || text.rsplit(':').next() == Some(parsed.tcp.to_string().as_str());
    match ports {
        Some((tcp, quic)) if !has_port => Ok(Bootstrap { tcp, quic, ..parsed }),
        _ => Ok(parsed),
    }
}

fn member(done: Done) -> Result<(String, String, Vec<String>), ApiError> {
    let Reply::Member { node, label, also } = done.reply else {
        return Err(unexpected());
    };
    let name = label.map_or_else(|| node.short(), |label| label.to_string());
    Ok((name, node.to_string(), also.iter().map(Label::to_string).collect()))
}

fn parse_invite_id(id: &str) -> Result<InviteId, ApiError> {
    id.parse().map_err(|_| {
        ApiError::new(ErrorCode::NotFound, format!("{id:?} is not the id of an invite")).with_hint("holloway invites")
    })
}

fn invite_summary(invite: &Invite, network: &NetworkView) -> doc::InviteSummary {
    let is_over = invite.expires <= UnixTime::from_nanos(now_nanos());
    let (state, redeemed_by) = match invite.state {
        InviteState::Unspent | InviteState::Approved(_) if is_over => (doc::InviteState::Expired, None),
        InviteState::Unspent | InviteState::Approved(_) => (doc::InviteState::Unspent, None),
        InviteState::Withdrawn => (doc::InviteState::Withdrawn, None),
        InviteState::Spent(node) => {
            let peer = network.snapshot.peers.iter().find(|peer| peer.node == node);
            (doc::InviteState::Spent, Some(peer.map_or_else(|| node.to_string(), |peer| peer.label.to_string())))
        }
    };
    doc::InviteSummary {
        id: invite.id.to_string(),
        network: network.label.to_string(),
        name: invite.label.as_ref().map(Label::to_string),
        rights: rights(invite.rights),
        state,
        expires: Some(rfc3339(invite.expires)),
        created: rfc3339(invite.created),
        redeemed_by,
        approval: match invite.state {
            InviteState::Approved(_) => doc::InviteApproval::Given,
            InviteState::Unspent if invite.needs_approval => doc::InviteApproval::Needed,
            InviteState::Unspent | InviteState::Spent(_) | InviteState::Withdrawn => doc::InviteApproval::None,
        },
        applicant: applicant(invite, network),
    }
}

fn applicant(invite: &Invite, network: &NetworkView) -> Option<doc::Applicant> {
    let (_, applicant) = network.snapshot.applicants.iter().find(|(id, _)| *id == invite.id)?;
    Some(doc::Applicant {
        name: applicant.label.to_string(),
        node_id: applicant.node.to_string(),
        since: rfc3339(applicant.since),
    })
}

fn now_nanos() -> u64 {
    let unix = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap_or_default();
    u64::try_from(unix.as_nanos()).unwrap_or(u64::MAX)
}

fn certificate_view(certificate: &MembershipCertificate, network: &NetworkView) -> doc::CertificateView {
    let membership = certificate.membership();
    doc::CertificateView {
        name: membership.label.to_string(),
        node_id: membership.subject.to_string(),
        address: OverlayAddr::of_node(&network.id, &membership.subject).to_string(),
        static_key: certificate.static_key().to_string(),
        rights: rights(membership.rights),
        groups: membership.groups.clone(),
        not_before: Some(rfc3339(membership.validity.not_before)),
        not_after: membership.validity.not_after.map(rfc3339),
        issuer: membership.issuer.to_string(),
        sequence: certificate.sequence(),
        hash: hex::encode(certificate.hash().0),
    }
}

/// What all members publish, those apart whose certificates are not here.
fn published_names(network: &NetworkView) -> impl Iterator<Item = doc::PublishedName> {
    let snapshot = &network.snapshot;
    let label_of = |node| match snapshot.peers.iter().find(|peer| peer.node == node) {
        Some(peer) => Some(&peer.label),
        None => (node == snapshot.node).then_some(&snapshot.label),
    };
    let of_members = snapshot.names.iter().filter_map(move |(node, records)| Some((label_of(*node)?, records)));
    of_members.flat_map(move |(owner, records)| {
        records.iter().map(move |record| doc::PublishedName {
            owner: owner.to_string(),
            record: dns_record(record, owner, network),
        })
    })
}

/// A record of the member with this label.
fn dns_record(record: &NameRecord, owner: &Label, network: &NetworkView) -> doc::DnsRecord {
    let host = fqdn(owner, &network.label);
    let name = if record.name.is_empty() { host } else { format!("{}.{host}", record.name) };
    doc::DnsRecord {
        network: network.label.to_string(),
        label: record.name.clone(),
        fqdn: name,
        record_type: record.record_type.clone(),
        value: record.value.clone(),
        ttl: RECORD_TTL,
    }
}
