use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use holloway_config::{Settings, StateDir};
use holloway_dashboard::api::{
    ApiError, CreateNetwork, ErrorCode, Join, Joined, Left, NetworkCreated, SchemaVersion, Severity, Switched,
};
use holloway_mesh::{Identity, Redeemer, found};
use holloway_wire::{Bootstrap, Label, NameError, NetworkId, NodeId};
use tokio::sync::{Mutex, mpsc, oneshot};
use tokio::time::timeout;

use super::engine::{Call, Input, NetworkView};
use super::joining::{Patience, choose_label, elapsed_ms, parse_invite, redeem, refuse_other_name};
use super::journal::Journal;
use super::keys::{self, NetworkKeys};
use super::names::fqdn;
use super::opening::{Begun, DRAIN_MAX, Extent, Joining, Ports, bind_data_path, internal, start_control, with_ports};
use crate::clock::Clock;
use crate::store::{Network as StoredNetwork, NewNetwork, Origin, Store, StoreError};

/// Founding, joining and leaving: the long procedures around the engine. One at a time.
pub(crate) struct Membership {
    pub(crate) state_dir: StateDir,
    pub(crate) settings: Settings,
    pub(crate) store: Store,
    pub(crate) inputs: mpsc::Sender<Input>,
    pub(crate) journal: Journal,
    pub(crate) clock: Clock,
    pub(crate) extent: Extent,
    /// Whether the networks run.
    pub(crate) is_on: AtomicBool,
    /// Held by the one procedure that runs; when a control plane ended here last.
    pub(crate) busy: Mutex<Option<Instant>>,
}

impl Membership {
    /// Founds a network on this machine.
    pub(crate) async fn create(&self, request: CreateNetwork) -> Result<NetworkCreated, ApiError> {
        let last_end = self.busy.lock().await;
        self.refuse_while_off()?;
        let label: Label = request.label.parse().map_err(|error: NameError| {
            ApiError::new(ErrorCode::NameInvalid, format!("{:?} cannot name a network: {error}", request.label))
        })?;
        let name = choose_label(request.name.as_deref(), None, self.settings.node.name.as_ref())?;
        self.refuse_known(&label).await?;
        let keys = NetworkKeys::load_or_create(&self.state_dir, &label).map_err(|error| internal(&error))?;
        let (root, root_path) = keys::create_root(&self.state_dir, &label).map_err(|error| internal(&error))?;
        let now = self.clock.now();
        let identity = found(&root, keys.identity, keys.static_key, label.clone(), name, now);
        let new = NewNetwork {
            label: label.clone(),
            network: identity.network,
            origin: Origin::Founded,
            since: now.unix,
            bootstrap: Vec::new(),
            chain: identity.chain.clone(),
        };
        let stored = match self.store.add_network(new, &[]).await {
            Ok(stored) => stored,
            Err(error) => {
                self.forget_keys(&label);
                return Err(store_error(&error));
            }
        };
        let listen_patience = listen_patience(*last_end);
        let view = self.open(Joining { listen_patience, ..self.joining(stored, identity, None) }).await?;
        self.journal.note(Severity::Info, "network_created", &label, format!("founded {label}"), &[]);
        Ok(NetworkCreated {
            schema: SchemaVersion,
            label: label.to_string(),
            id: view.id.to_string(),
            prefix: view.snapshot.prefix.to_string(),
            name: view.snapshot.label.to_string(),
            address: view.snapshot.address.to_string(),
            fqdn: fqdn(&view.snapshot.label, &label),
            root_key_path: root_path.display().to_string(),
        })
    }

    /// Redeems an invite and runs the network.
    pub(crate) async fn join(&self, request: Join) -> Result<Joined, ApiError> {
        let mut last_end = self.busy.lock().await;
        self.refuse_while_off()?;
        let listen_patience = listen_patience(*last_end);
        let mut end = NotedEnd { at: &mut last_end, is_running: false };
        let start = Instant::now();
        let token = parse_invite(request.invite.expose())?;
        let body = token.body();
        let (network, issuer) = (body.network, body.issuer);
        let bootstrap = body.bootstrap.clone();
        self.refuse_member(&network).await?;
        let label = self.free_label(&body.network_label).await?;
        let name = choose_label(request.name.as_deref(), body.host_label.as_ref(), self.settings.node.name.as_ref())?;
        refuse_other_name(&name, body.host_label.as_ref())?;
        let patience = if request.wait { Patience::Wait } else { Patience::Once };
        let had_keys = keys::exist(&self.state_dir, &label);
        let keys = NetworkKeys::load_or_create(&self.state_dir, &label).map_err(|error| internal(&error))?;
        let redeemer =
            Redeemer::new(token, name, &keys.identity, &keys.static_key, self.clock.now()).map_err(|error| {
                ApiError::new(ErrorCode::InviteExpired, error.to_string()).with_hint("ask the issuer for a new invite")
            });
        let joined = match redeemer {
            Ok(redeemer) => {
                let listening = (listen_patience, &mut end.is_running);
                self.redeem(&redeemer, &keys, &label, network, patience, listening).await
            }
            Err(error) => Err(error),
        };
        let (joined, begun, ports) = match joined {
            Ok(joined) => joined,
            Err(error) => {
                // A refusal is final. Without an answer the same keys may have been granted a membership, and who waits to be
                // approved is to be the same the next time.
                let may_join_yet = matches!(error.code, ErrorCode::IssuerUnreachable | ErrorCode::ApprovalPending);
                if !had_keys && !may_join_yet {
                    self.forget_keys(&label);
                }
                return Err(error);
            }
        };
        let NetworkKeys { identity, static_key } = keys;
        let (chain, contacts) = (joined.chain.clone(), joined.contacts);
        let new = NewNetwork {
            label: label.clone(),
            network,
            origin: Origin::Joined,
            since: self.clock.now().unix,
            bootstrap: bootstrap.clone(),
            chain: joined.chain,
        };
        let stored = self.store.add_network(new, &[]).await.map_err(|error| store_error(&error))?;
        let identity = Identity { network, network_label: label.clone(), key: identity, static_key, chain };
        let mut joining = self.joining(stored, identity, Some(begun));
        joining.ports = ports;
        joining.contacts = contacts;
        let view = self.open(joining).await?;
        end.is_running = false;
        self.catch_up(network).await;
        let text = format!("joined {label} as {}", view.snapshot.label);
        self.journal.note(Severity::Info, "joined", &label, text, &[("issuer", issuer.to_string())]);
        Ok(Joined {
            schema: SchemaVersion,
            label: label.to_string(),
            id: network.to_string(),
            name: view.snapshot.label.to_string(),
            fqdn: fqdn(&view.snapshot.label, &label),
            address: view.snapshot.address.to_string(),
            issuer: issuer_name(&view, &issuer),
            elapsed_ms: elapsed_ms(start),
        })
    }

    async fn redeem(
        &self,
        redeemer: &Redeemer,
        keys: &NetworkKeys,
        label: &Label,
        network: NetworkId,
        patience: Patience,
        (listen_patience, is_running): (Duration, &mut bool),
    ) -> Result<(holloway_mesh::Joined, Begun, Ports), ApiError> {
        let position = self.store.next_position().await.map_err(|error| store_error(&error))?;
        let listen = with_ports(self.settings.network(label, position).listen, Ports::default());
        let data = bind_data_path(&self.settings, &listen, self.extent).await.map_err(|error| internal(&error))?;
        let mut control = start_control(&keys.identity, network, &listen, self.extent, listen_patience)
            .map_err(|error| internal(&error))?;
        *is_running = true;
        match redeem(redeemer, &mut control, patience, self.clock).await {
            Ok(joined) => {
                let ports = Ports { data: 0, control_tcp: listen.control_tcp, control_quic: listen.control_quic };
                Ok((joined, Begun { data, control }, ports))
            }
            Err(error) => {
                control.handle.shutdown().await;
                Err(error)
            }
        }
    }

    /// Leaves a network and forgets it.
    pub(crate) async fn leave(&self, label: &str) -> Result<Left, ApiError> {
        let mut last_end = self.busy.lock().await;
        let unknown = || {
            ApiError::new(ErrorCode::NotFound, format!("this machine is in no network called {label:?}"))
                .with_hint("holloway status")
        };
        let label: Label = label.parse().map_err(|_| unknown())?;
        let closed = self.ask(|reply| Call::Close(label.clone(), reply)).await?;
        let key = match closed {
            Ok(key) => {
                *last_end = Some(Instant::now());
                Some(key)
            }
            Err(error) => match self.stored(&label).await? {
                // Switched off, it does not run.
                Some(stored) => Some(stored.key),
                // A join that never came to an end has left its keys.
                None if keys::exist(&self.state_dir, &label) => None,
                None => return Err(error),
            },
        };
        if let Some(key) = key {
            self.store.remove_network(key).await.map_err(|error| store_error(&error))?;
        }
        keys::remove(&self.state_dir, &label).map_err(|error| internal(&error))?;
        self.journal.note(Severity::Info, "left", &label, format!("left {label} and forgot its keys"), &[]);
        Ok(Left { schema: SchemaVersion, label: label.to_string() })
    }

    /// Switches the networks on or off. They are off when this says so, also after a restart.
    pub(crate) async fn switch(&self, on: bool) -> Result<Switched, ApiError> {
        let mut last_end = self.busy.lock().await;
        if self.is_on() != on {
            self.store.keep_switch(on).await.map_err(|error| store_error(&error))?;
        }
        self.is_on.store(on, Ordering::Release);
        if on {
            self.open_missing(listen_patience(*last_end)).await?;
        } else {
            self.ask(Call::CloseAll).await?;
            *last_end = Some(Instant::now());
        }
        Ok(Switched { schema: SchemaVersion, on })
    }

    /// Runs those networks that do not run yet.
    async fn open_missing(&self, listen_patience: Duration) -> Result<(), ApiError> {
        let running = self.ask(Call::View).await?.networks;
        for stored in self.store.networks().await.map_err(|error| store_error(&error))? {
            if running.iter().all(|network| network.id != stored.network) {
                let joining = self.kept(stored).map_err(|error| internal(&error))?;
                self.open(Joining { listen_patience, ..joining }).await?;
            }
        }
        Ok(())
    }

    /// Whether the networks run.
    pub(crate) fn is_on(&self) -> bool {
        self.is_on.load(Ordering::Acquire)
    }

    fn refuse_while_off(&self) -> Result<(), ApiError> {
        if self.is_on() {
            return Ok(());
        }
        let refusal = ApiError::new(ErrorCode::SwitchedOff, "this machine's networks are switched off");
        Err(refusal.with_hint("switch them on first: holloway on"))
    }

    /// Runs what was kept from before.
    pub(crate) fn kept(&self, stored: StoredNetwork) -> anyhow::Result<Joining> {
        let keys = NetworkKeys::load_or_create(&self.state_dir, &stored.label)?;
        let leaf = stored.chain.first();
        anyhow::ensure!(
            leaf.is_some_and(|leaf| *leaf.subject() == keys.identity.node_id()),
            "the keys in {} are not those of this machine's certificate; restore them from a backup",
            self.state_dir.network_dir(&stored.label).display()
        );
        let identity = Identity {
            network: stored.network,
            network_label: stored.label.clone(),
            key: keys.identity,
            static_key: keys.static_key,
            chain: stored.chain.clone(),
        };
        Ok(self.joining(stored, identity, None))
    }

    fn joining(&self, stored: StoredNetwork, identity: Identity, begun: Option<Begun>) -> Joining {
        Joining {
            key: stored.key,
            position: stored.position,
            ports: Ports::from(&stored.chosen),
            hints: hints(&stored),
            label: stored.label,
            identity,
            contacts: Vec::new(),
            begun,
            extent: self.extent,
            listen_patience: Duration::ZERO,
        }
    }

    async fn open(&self, joining: Joining) -> Result<NetworkView, ApiError> {
        self.ask(|reply| Call::Open(Box::new(joining), reply)).await?
    }

    /// Waits until the names of members never met are answered here, if that comes soon: who joined uses them next.
    async fn catch_up(&self, network: NetworkId) {
        /// A comparison takes a few round trips; a network that nobody else is in reach of is joined all the same.
        const CATCH_UP_MAX: Duration = Duration::from_secs(2);
        if self.extent == Extent::Whole {
            // When it takes longer, they come later.
            let _ = timeout(CATCH_UP_MAX, self.ask(|reply| Call::CaughtUp(network, reply))).await;
        }
    }

    async fn ask<T>(&self, call: impl FnOnce(oneshot::Sender<T>) -> Call) -> Result<T, ApiError> {
        let (sender, receiver) = oneshot::channel();
        let stopping = || ApiError::new(ErrorCode::DaemonNotRunning, "the daemon is stopping");
        self.inputs.send(Input::Call(call(sender))).await.map_err(|_| stopping())?;
        receiver.await.map_err(|_| stopping())
    }

    async fn stored(&self, label: &Label) -> Result<Option<StoredNetwork>, ApiError> {
        let known = self.store.networks().await.map_err(|error| store_error(&error))?;
        Ok(known.into_iter().find(|network| network.label == *label))
    }

    async fn refuse_known(&self, label: &Label) -> Result<(), ApiError> {
        let known = self.store.networks().await.map_err(|error| store_error(&error))?;
        if known.iter().any(|network| network.label == *label) || keys::exist(&self.state_dir, label) {
            return Err(ApiError::new(ErrorCode::NameTaken, format!("there is a network called {label} here already"))
                .with_hint("choose another name, or: holloway leave <network>"));
        }
        Ok(())
    }

    async fn refuse_member(&self, network: &NetworkId) -> Result<(), ApiError> {
        let known = self.store.networks().await.map_err(|error| store_error(&error))?;
        let Some(known) = known.iter().find(|known| known.network == *network) else {
            return Ok(());
        };
        Err(ApiError::new(ErrorCode::AlreadyMember, format!("this machine is a member of {} already", known.label))
            .with_hint("holloway status"))
    }

    /// The network's own name, or that with a number where another network here has it.
    async fn free_label(&self, suggested: &Label) -> Result<Label, ApiError> {
        let known = self.store.networks().await.map_err(|error| store_error(&error))?;
        let is_free = |label: &Label| known.iter().all(|network| network.label != *label);
        let numbered = (2..100).map(|number: u32| suggested.with_suffix(&number.to_string()));
        std::iter::once(suggested.clone()).chain(numbered).find(is_free).ok_or_else(|| {
            ApiError::new(ErrorCode::NameTaken, format!("a hundred networks are called {suggested} here"))
        })
    }

    fn forget_keys(&self, label: &Label) {
        if let Err(error) = keys::remove(&self.state_dir, label) {
            tracing::warn!(%error, "keys of a network that was not joined remain");
        }
    }
}

/// Notes the end of a control plane that a procedure has started, also where the procedure is given up.
struct NotedEnd<'a> {
    at: &'a mut Option<Instant>,
    is_running: bool,
}

impl Drop for NotedEnd<'_> {
    fn drop(&mut self) {
        if self.is_running {
            *self.at = Some(Instant::now());
        }
    }
}

/// How long ports may be held by a control plane that ended here.
fn listen_patience(last_end: Option<Instant>) -> Duration {
    last_end.map_or(Duration::ZERO, |ended| DRAIN_MAX.saturating_sub(ended.elapsed()))
}

fn hints(stored: &StoredNetwork) -> Vec<(NodeId, Vec<Bootstrap>)> {
    let issuer = stored.chain.first().map(|leaf| leaf.membership().issuer);
    match issuer {
        Some(issuer) if stored.origin == Origin::Joined => vec![(issuer, stored.bootstrap.clone())],
        _ => Vec::new(),
    }
}

/// The issuer's name, or the start of its id where its certificate is not among ours.
fn issuer_name(view: &NetworkView, issuer: &NodeId) -> String {
    let peer = view.snapshot.peers.iter().find(|peer| peer.node == *issuer);
    peer.map_or_else(|| issuer.short(), |peer| fqdn(&peer.label, &view.label))
}

#[expect(clippy::wildcard_enum_match_arm, reason = "what has no code of its own is internal")]
fn store_error(error: &StoreError) -> ApiError {
    let code = match error {
        StoreError::NetworkKnown(_) => ErrorCode::AlreadyMember,
        StoreError::LabelTaken(_) => ErrorCode::NameTaken,
        StoreError::PrefixTaken(_) => ErrorCode::PrefixConflict,
        _ => ErrorCode::Internal,
    };
    ApiError::new(code, error.to_string()).with_hint("holloway status")
}
