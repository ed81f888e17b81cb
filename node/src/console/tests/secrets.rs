use holloway_dashboard::api::Role;

use super::super::accounts::KeptAccount;
use super::super::passwords::{code_step, hash, is_right, judge, totp_secret, totp_url};

#[test]
fn a_password_is_kept_as_argon2id_and_known_again() {
    let kept = hash("correct horse battery").unwrap();
    assert!(kept.starts_with("$argon2id$v=19$m=19456,t=2,p=1$"), "{kept}");
    assert!(is_right("correct horse battery", Some(&kept)));
    assert!(!is_right("correct horse batterx", Some(&kept)));
    assert!(!is_right("correct horse battery", None) && !is_right("", Some("nonsense")));
    assert_ne!(kept, hash("correct horse battery").unwrap(), "salted");
}

#[test]
fn a_session_holds_on_to_the_role_and_the_password_and_to_nothing_else() {
    let account = KeptAccount {
        name: "ada".into(),
        role: Role::Admin,
        password: hash("correct horse battery").unwrap(),
        totp: None,
        totp_next: None,
        totp_used: 0,
        created: 0,
        signed_in: None,
    };
    let later = KeptAccount { totp: Some("GEZDGNBV".into()), totp_used: 1, signed_in: Some(1), ..account.clone() };
    assert_eq!(later.grant(), account.grant());
    assert_ne!(KeptAccount { role: Role::Viewer, ..account.clone() }.grant(), account.grant());
    let password = hash("correct horse battery").unwrap();
    assert_ne!(KeptAccount { password, ..account.clone() }.grant(), account.grant(), "set anew");
}

#[test]
fn passwords_that_are_guessed_are_refused() {
    for bad in ["", "short", "elevenchars", "my-name-is-ada-1", &"x".repeat(257)] {
        assert!(judge(bad, "ada").is_err(), "{bad:?}");
    }
    assert!(judge("correct horse battery", "ada").is_ok());
}

#[test]
fn a_code_is_good_for_its_step_and_the_ones_beside_it_and_once() {
    // RFC 6238, appendix B: the secret is "12345678901234567890", SHA-1; the last six of the eight digits.
    let secret = "GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ";
    assert_eq!(code_step(secret, "287082", 59, 0), Some(1));
    assert_eq!(code_step(secret, "081804", 1_111_111_109, 0), Some(37_037_036));
    assert_eq!(code_step(secret, "287082", 59 + 30, 0), Some(1), "a clock may be late");
    assert_eq!(code_step(secret, "287082", 59 + 90, 0), None);
    assert_eq!(code_step(secret, "287082", 59, 1), None, "used");
    for nonsense in ["", "28708", "2870822", "abcdef", "287083"] {
        assert_eq!(code_step(secret, nonsense, 59, 0), None, "{nonsense:?}");
    }
}

#[test]
fn a_new_secret_can_be_scanned() {
    let secret = totp_secret().unwrap();
    assert_eq!(secret.len(), 32);
    let url = totp_url(&secret, "ada").unwrap();
    assert!(url.starts_with("otpauth://totp/Holloway:ada?") && url.contains(&secret), "{url}");
}
