//! `holloway revoke`, `holloway block`, `holloway unblock`.

use holloway_dashboard::api::{Block, InNetwork, Revoke, Revoked};

use super::context::Context;
use super::escape::shown;
use super::failure::Failure;

/// Revokes a member for everyone.
pub(crate) async fn revoke(context: &Context, request: &Revoke) -> Result<(), Failure> {
    let revoked = context.daemon()?.revoke(request).await?;
    context.output().answer(&revoked, |revoked, _| revoked_text(revoked))
}

/// Blocks a member for this machine.
pub(crate) async fn block(context: &Context, request: &Block) -> Result<(), Failure> {
    let blocked = context.daemon()?.block(request).await?;
    context.output().answer(&blocked, |blocked, _| {
        let name = shown(&blocked.name);
        let back = context.command(&format!("unblock {name}"));
        format!("this machine no longer speaks with {name}; to take it back: {back}\n")
    })
}

/// Takes a block back.
pub(crate) async fn unblock(context: &Context, name: &str, network: &InNetwork) -> Result<(), Failure> {
    let unblocked = context.daemon()?.unblock(name, network).await?;
    context
        .output()
        .answer(&unblocked, |unblocked, _| format!("this machine speaks with {} again\n", shown(&unblocked.name)))
}

fn revoked_text(revoked: &Revoked) -> String {
    let name = shown(&revoked.name);
    let text = format!("{name} ({}) is revoked, for everyone and for ever\n", shown(&revoked.node_id));
    revoked.also.iter().fold(text, |text, also| format!("{text}  with it: {}\n", shown(also)))
}

#[cfg(test)]
mod tests {
    use holloway_dashboard::api::SchemaVersion;

    use super::*;

    #[test]
    fn a_revocation_says_who_else_goes() {
        let also = vec!["carol".into(), "\u{1b}dave".into()];
        let revoked = Revoked { schema: SchemaVersion, name: "bob".into(), node_id: "bbbb".into(), also };
        let expected = "bob (bbbb) is revoked, for everyone and for ever\n  with it: carol\n  with it: \\u{1b}dave\n";
        assert_eq!(revoked_text(&revoked), expected);
    }
}
