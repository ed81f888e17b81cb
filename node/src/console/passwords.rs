//! Passwords and the codes beside them: what is kept of them, and whether somebody knows one.
//!
//! Argon2id with the library's defaults (19 MiB, two passes: OWASP's first choice), and TOTP (RFC 6238): SHA-1, six
//! digits, 30 s, as every app has them.

use argon2::Argon2;
use argon2::password_hash::phc::PasswordHash;
use argon2::password_hash::{PasswordHasher, PasswordVerifier};
use holloway_dashboard::api::{ApiError, ErrorCode};
use totp_rs::{Builder, Secret, Totp};

use super::error::ConsoleError;

/// Shorter ones are guessed; nobody types longer ones.
const CHARACTERS_MIN: usize = 12;
const BYTES_MAX: usize = 256;

/// 160 bits, as RFC 4226 §4 recommends.
const TOTP_SECRET_BYTES: usize = 20;

/// Refuses a password that is too short or too long.
///
/// # Errors
/// Says what would do.
pub(super) fn judge(password: &str, account: &str) -> Result<(), ApiError> {
    let refuse = |what: &str| Err(ApiError::new(ErrorCode::Usage, what));
    if password.chars().count() < CHARACTERS_MIN {
        return refuse(
            "a password has at least 12 characters: four words that have nothing to do with each other, say",
        );
    }
    if password.len() > BYTES_MAX {
        return refuse("a password has at most 256 bytes");
    }
    if password.to_lowercase().contains(&account.to_lowercase()) {
        return refuse("a password does not contain the account's name");
    }
    Ok(())
}

/// What is kept of a password. Takes tens of milliseconds of a processor.
pub(super) fn hash(password: &str) -> Result<String, ConsoleError> {
    let hash = Argon2::default().hash_password(password.as_bytes());
    Ok(hash.map_err(|error| ConsoleError::Password(error.to_string()))?.to_string())
}

/// Whether this is the password; without anything kept it takes as long, and is not. Takes tens of milliseconds.
pub(super) fn is_right(password: &str, kept: Option<&str>) -> bool {
    let Some(kept) = kept else {
        // Who guesses names learns nothing from the time.
        let _ = hash(password);
        return false;
    };
    let Ok(kept) = PasswordHash::new(kept) else { return false };
    password.len() <= BYTES_MAX && Argon2::default().verify_password(password.as_bytes(), &kept).is_ok()
}

/// A new secret for codes, in base32.
///
/// # Errors
/// Where the system has no randomness.
pub(super) fn totp_secret() -> Result<String, ConsoleError> {
    let mut bytes = [0; TOTP_SECRET_BYTES];
    getrandom::fill(&mut bytes).map_err(|error| ConsoleError::Password(error.to_string()))?;
    Ok(Secret::from(bytes.to_vec()).to_base32())
}

/// The secret as an address to scan.
pub(super) fn totp_url(secret: &str, account: &str) -> Result<String, ConsoleError> {
    totp(secret, account)?.to_url().map_err(|error| ConsoleError::Password(error.to_string()))
}

/// The step of time that a code is of, if it is one of this moment or of the one before or after; codes of steps up to
/// `used` were used before.
pub(super) fn code_step(secret: &str, code: &str, now: u64, used: u64) -> Option<u64> {
    let totp = totp(secret, "").ok()?;
    totp.check(code, now).filter(|step| *step > used)
}

fn totp(secret: &str, account: &str) -> Result<Totp, ConsoleError> {
    let unreadable = |_| ConsoleError::Unreadable("a secret for codes");
    let secret = Secret::try_from_base32(secret).map_err(unreadable)?;
    let builder = Builder::new().with_secret(secret).with_account_name(account).with_issuer(Some("Holloway"));
    Ok(builder.build_noncompliant())
}
