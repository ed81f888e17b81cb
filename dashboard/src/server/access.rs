//! Who may do what. A pure decision over credentials; where they come from is `peer`'s business.

use std::net::IpAddr;
use std::sync::Arc;

use super::browser::SessionKey;
use crate::api::{ApiError, ErrorCode, Role};

const ROOT_UID: u32 = 0;

/// What the kernel says about the process at the other end.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Credentials {
    /// Its effective user when it connected.
    pub uid: u32,
    /// Its groups when it connected, the supplementary ones included.
    pub groups: Vec<u32>,
}

/// Who is whom to this daemon.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Access {
    /// The daemon's own user.
    pub daemon_uid: u32,
    /// The group `holloway`, where it exists and the socket is shared with it.
    pub group_gid: Option<u32>,
}

/// What a caller is to this daemon; the greater may do whatever the lesser may.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Standing {
    /// Nobody in particular.
    Stranger,
    /// May look: some who have signed in with a browser.
    Viewer,
    /// In the group `holloway`.
    Operator,
    /// Root, or the daemon's own user.
    Administrator,
}

/// What a request needs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Permission {
    /// To look, which tells nothing secret.
    Read,
    /// To switch the daemon off, and to join.
    Operate,
    /// To change what others see, or make invites.
    Administer,
}

impl From<Role> for Standing {
    fn from(role: Role) -> Self {
        match role {
            Role::Viewer => Self::Viewer,
            Role::Operator => Self::Operator,
            Role::Admin => Self::Administrator,
        }
    }
}

impl Access {
    /// What a caller with these credentials is.
    #[must_use]
    pub fn standing(&self, caller: &Credentials) -> Standing {
        if caller.uid == ROOT_UID || caller.uid == self.daemon_uid {
            return Standing::Administrator;
        }
        match self.group_gid {
            Some(gid) if caller.groups.contains(&gid) => Standing::Operator,
            Some(_) | None => Standing::Stranger,
        }
    }
}

impl Standing {
    /// The same as a role, for those who are anybody.
    pub(super) fn role(self) -> Option<Role> {
        match self {
            Self::Stranger => None,
            Self::Viewer => Some(Role::Viewer),
            Self::Operator => Some(Role::Operator),
            Self::Administrator => Some(Role::Admin),
        }
    }

    fn may(self, needed: Permission) -> bool {
        let enough = match needed {
            Permission::Read => Self::Viewer,
            Permission::Operate => Self::Operator,
            Permission::Administer => Self::Administrator,
        };
        self >= enough
    }

    /// Lets a request pass, or says what would make it pass.
    ///
    /// # Errors
    /// `permission_denied`, with the command that mends it.
    pub fn permit(self, needed: Permission) -> Result<(), ApiError> {
        if self.may(needed) {
            return Ok(());
        }
        let (message, hint) = match needed {
            Permission::Read | Permission::Operate => (
                "you are neither root nor in the group holloway",
                "run: sudo usermod -aG holloway USER (your user name), then log in again",
            ),
            Permission::Administer => {
                ("this changes the network and needs root or the daemon's own user", "run the same command with sudo")
            }
        };
        Err(ApiError::new(ErrorCode::PermissionDenied, message).with_hint(hint))
    }
}

/// By which way somebody comes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Door {
    /// The socket, where the kernel says who it is.
    Socket,
    /// TCP, where a session does.
    Browser,
}

/// Who asks.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Caller {
    pub(super) standing: Standing,
    pub(super) door: Door,
    /// What they are called where it is written down what they did.
    pub(super) who: Arc<str>,
    /// The account that they have signed in with.
    pub(super) account: Option<Arc<str>>,
    /// The session that they come with.
    pub(super) session: Option<SessionKey>,
    /// Where they are, if not on this machine for sure.
    pub(super) from: Option<IpAddr>,
}

impl Caller {
    /// A process of this machine.
    pub(super) fn local(standing: Standing, uid: u32) -> Self {
        let who = format!("uid {uid}").into();
        Self { standing, door: Door::Socket, who, account: None, session: None, from: None }
    }

    /// A browser with which nobody has signed in yet.
    pub(super) fn browser(from: IpAddr) -> Self {
        let who = "nobody".into();
        Self { standing: Standing::Stranger, door: Door::Browser, who, account: None, session: None, from: Some(from) }
    }

    /// Lets a request pass, or says what would make it pass.
    pub(super) fn permit(&self, needed: Permission) -> Result<(), ApiError> {
        match self.door {
            Door::Socket => self.standing.permit(needed),
            Door::Browser if self.standing.may(needed) => Ok(()),
            Door::Browser => Err(ApiError::new(ErrorCode::PermissionDenied, "whoever signed in here may not do this")
                .with_hint("sign in by a link of somebody who may: sudo holloway dashboard")),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ACCESS: Access = Access { daemon_uid: 900, group_gid: Some(950) };

    fn standing(uid: u32, groups: &[u32]) -> Standing {
        ACCESS.standing(&Credentials { uid, groups: groups.to_vec() })
    }

    #[test]
    fn root_and_the_daemons_own_user_are_administrators() {
        assert_eq!(standing(0, &[]), Standing::Administrator);
        assert_eq!(standing(900, &[]), Standing::Administrator);
    }

    #[test]
    fn a_member_of_the_group_is_an_operator_by_any_of_its_groups() {
        assert_eq!(standing(1000, &[1000, 27, 950]), Standing::Operator);
    }

    #[test]
    fn anybody_else_is_a_stranger_even_with_root_among_its_groups() {
        assert_eq!(standing(1000, &[0, 900, 1000]), Standing::Stranger);
        let ungrouped = Access { group_gid: None, ..ACCESS };
        let caller = Credentials { uid: 1000, groups: vec![950] };
        assert_eq!(ungrouped.standing(&caller), Standing::Stranger);
    }

    #[test]
    fn an_operator_reads_and_operates_but_does_not_administer() {
        assert!(Standing::Operator.permit(Permission::Read).is_ok());
        assert!(Standing::Operator.permit(Permission::Operate).is_ok());
        let refused = Standing::Operator.permit(Permission::Administer).unwrap_err();
        assert_eq!(refused.code, ErrorCode::PermissionDenied);
    }

    #[test]
    fn a_stranger_is_refused_with_the_command_that_mends_it() {
        for needed in [Permission::Read, Permission::Operate] {
            let refused = Standing::Stranger.permit(needed).unwrap_err();
            assert_eq!(refused.code, ErrorCode::PermissionDenied);
            assert!(refused.hint.unwrap().contains("usermod -aG holloway USER"));
        }
        assert!(Standing::Stranger.permit(Permission::Administer).is_err());
    }
}
