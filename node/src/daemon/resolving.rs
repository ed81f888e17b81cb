use std::net::{IpAddr, SocketAddr};

use holloway_config::{DnsSettings, StateDir};

use super::opening::Extent;
use crate::names::{HostsEntry, Integration, NamesError, NamesSettings, Places, probe_in_child, recover};

/// The operating system's way to our names, as far as it is wanted. What cannot be done is said and lived with.
pub(crate) struct Resolving {
    integration: Option<Integration>,
    trouble: Option<String>,
}

impl Resolving {
    /// Undoes what a killed daemon left, and looks at the machine.
    pub(crate) fn prepare(state_dir: &StateDir, dns: &DnsSettings, extent: Extent) -> Self {
        let places = Places::of_system(state_dir.path());
        match recover(&places) {
            Ok(notes) => notes.iter().for_each(|note| tracing::warn!("{note}")),
            Err(error) => tracing::warn!(%error, "names of an earlier run could not be taken back"),
        }
        let mut resolving = Self { integration: None, trouble: None };
        if dns.enabled && extent == Extent::Whole {
            let resolver = SocketAddr::new(dns.listen, dns.port);
            let settings = NamesSettings { integrate: dns.integrate, resolver, search: Vec::new() };
            match Integration::prepare(places, settings) {
                Ok(integration) => resolving.integration = Some(integration),
                Err(error) => resolving.note(Err(error)),
            }
        }
        resolving
    }

    fn note(&mut self, result: Result<(), NamesError>) {
        if let Err(error) = result {
            tracing::warn!(%error, "programs may not find .alt names");
            self.trouble = Some(error.to_string());
        }
    }

    /// The servers that the machine asked before us.
    pub(crate) fn system_servers(&self) -> Vec<SocketAddr> {
        self.integration.as_ref().map(|integration| integration.upstreams().to_vec()).unwrap_or_default()
    }

    /// Puts our resolver into the system's way. To be called when it answers.
    pub(crate) fn install(&mut self) {
        if let Some(integration) = &mut self.integration {
            let result = integration.apply();
            self.note(result);
        }
    }

    /// Whether a probe of a name would tell something new.
    pub(crate) fn wants_probe(&self) -> bool {
        self.integration.as_ref().is_some_and(|integration| integration.status().resolves.is_none())
    }

    /// Takes in what a probe found.
    pub(crate) fn judge(&mut self, resolves: bool) {
        if let Some(integration) = &mut self.integration {
            let result = integration.judge(resolves);
            self.note(result);
        }
    }

    /// Sets the names that are to resolve.
    pub(crate) fn publish(&mut self, entries: Vec<(String, IpAddr)>) {
        if let Some(integration) = &mut self.integration {
            let entries = entries.into_iter().map(|(name, address)| HostsEntry { name, address });
            let result = integration.publish(entries);
            self.note(result);
        }
    }

    /// Leaves the operating system as it was.
    pub(crate) fn remove(&mut self) {
        let Some(mut integration) = self.integration.take() else {
            return;
        };
        match integration.undo() {
            Ok(notes) => notes.iter().for_each(|note| tracing::warn!("{note}")),
            Err(error) => tracing::warn!(%error, "names could not be taken back; the next start tries again"),
        }
    }

    /// In words, for `status`.
    pub(crate) fn status(&self) -> String {
        match (&self.trouble, &self.integration) {
            (Some(trouble), _) => trouble.clone(),
            (None, Some(integration)) => integration.status().to_string(),
            (None, None) => "off".into(),
        }
    }
}

/// Whether a program that starts now finds a name.
pub(crate) async fn resolves(name: &str) -> bool {
    match std::env::current_exe() {
        Ok(program) => probe_in_child(&program, &["probe-name", name]).await,
        Err(_) => false,
    }
}
