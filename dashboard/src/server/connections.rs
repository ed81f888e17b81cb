//! The bounded set of open connections. When it is full, the connection that has been idle longest makes room; one that
//! is being served never does. Each kind of caller has a set of its own, so strangers cannot push out an operator.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::Notify;

use super::access::Standing;

/// Open connections of administrators or of operators: a dashboard, a desktop application and many scripts.
const CONNECTIONS_MAX: usize = 64;
/// Open connections of callers whose only answer is a refusal.
const STRANGERS_MAX: usize = 8;

/// Open connections of browsers: each opens six.
const BROWSERS_MAX: usize = 192;

/// All open connections.
///
/// Behind mutexes because connections end in their own tasks; each lock is held for a few map operations.
#[derive(Default)]
pub(super) struct Connections {
    administrators: Arc<Mutex<Pool>>,
    operators: Arc<Mutex<Pool>>,
    strangers: Arc<Mutex<Pool>>,
    browsers: Arc<Mutex<Pool>>,
}

#[derive(Default)]
struct Pool {
    next_id: u64,
    open: BTreeMap<u64, Arc<Connection>>,
}

/// One open connection, as its own task sees it.
#[derive(Default)]
pub(super) struct Connection {
    requests: AtomicUsize,
    evicted: Notify,
}

/// A place in the set; dropped with the connection.
pub(super) struct Place {
    pool: Arc<Mutex<Pool>>,
    id: u64,
    connection: Arc<Connection>,
}

/// A request being served; while it lives its connection is not idle.
pub(super) struct Busy(Arc<Connection>);

impl Connections {
    /// Gives a new connection a place, at the cost of the oldest idle one where there is none left; `None` when all are
    /// being served.
    pub(super) fn admit(&self, standing: Standing) -> Option<Place> {
        let (pool, places) = match standing {
            Standing::Administrator => (&self.administrators, CONNECTIONS_MAX),
            Standing::Operator => (&self.operators, CONNECTIONS_MAX),
            Standing::Viewer | Standing::Stranger => (&self.strangers, STRANGERS_MAX),
        };
        Self::enter(pool, places)
    }

    /// The same for a browser, of which nothing is known yet.
    pub(super) fn admit_browser(&self) -> Option<Place> {
        Self::enter(&self.browsers, BROWSERS_MAX)
    }

    fn enter(pool: &Arc<Mutex<Pool>>, places: usize) -> Option<Place> {
        let mut open = lock(pool);
        if open.open.len() >= places {
            open.evict_oldest_idle()?;
        }
        let connection = Arc::new(Connection::default());
        let id = open.insert(connection.clone());
        let pool = pool.clone();
        Some(Place { pool, id, connection })
    }
}

impl Pool {
    fn evict_oldest_idle(&mut self) -> Option<()> {
        let mut idle = self.open.iter().filter(|(_, connection)| connection.is_idle());
        let id = *idle.next()?.0;
        let evicted = self.open.remove(&id)?;
        evicted.evicted.notify_one();
        Some(())
    }

    fn insert(&mut self, connection: Arc<Connection>) -> u64 {
        let id = self.next_id;
        self.next_id += 1;
        self.open.insert(id, connection);
        id
    }
}

impl Connection {
    /// Marks the connection as being served until the mark is dropped.
    pub(super) fn busy(self: &Arc<Self>) -> Busy {
        self.requests.fetch_add(1, Ordering::AcqRel);
        Busy(self.clone())
    }

    fn is_idle(&self) -> bool {
        self.requests.load(Ordering::Acquire) == 0
    }

    /// Waits until somebody else needs the place.
    pub(super) async fn evicted(&self) {
        self.evicted.notified().await;
    }
}

impl Place {
    pub(super) fn connection(&self) -> &Arc<Connection> {
        &self.connection
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        lock(&self.pool).open.remove(&self.id);
    }
}

impl Drop for Busy {
    fn drop(&mut self) {
        self.0.requests.fetch_sub(1, Ordering::AcqRel);
    }
}

/// A map of connections is whole at every point where a panic could strike.
fn lock(pool: &Mutex<Pool>) -> MutexGuard<'_, Pool> {
    pool.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_full_house_closes_the_connection_that_idled_longest() {
        let connections = Connections::default();
        let mut places: Vec<Place> =
            (0..CONNECTIONS_MAX).map(|_| connections.admit(Standing::Administrator).unwrap()).collect();
        let serving = places[0].connection().busy();
        places.push(connections.admit(Standing::Administrator).unwrap());
        places[1].connection().evicted().await;
        drop(serving);
        places.push(connections.admit(Standing::Administrator).unwrap());
        places[0].connection().evicted().await;
    }

    #[test]
    fn where_everybody_is_being_served_the_newcomer_is_turned_away() {
        let connections = Connections::default();
        let served: Vec<(Busy, Place)> = (0..STRANGERS_MAX)
            .map(|_| connections.admit(Standing::Stranger).unwrap())
            .map(|place| (place.connection().busy(), place))
            .collect();
        assert!(connections.admit(Standing::Stranger).is_none());
        assert!(connections.admit(Standing::Operator).is_some());
        drop(served);
        assert!(connections.admit(Standing::Stranger).is_some());
    }
}
