//! What `holloway.toml` may say, and how it is refused when it says something else.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on should say where")]

use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::time::Duration;

use holloway_config::*;
use proptest::prelude::*;
use tempfile::TempDir;

fn settings(text: &str) -> Result<Settings, ConfigError> {
    Settings::new(Typed::from_toml(Path::new("holloway.toml"), text)?)
}

fn refusal(text: &str) -> String {
    let message = settings(text).expect_err(text).to_string();
    assert_eq!(message.lines().count(), 1, "{message}");
    message
}

fn file(contents: &[u8]) -> (TempDir, PathBuf) {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("holloway.toml");
    fs::write(&path, contents).unwrap();
    (dir, path)
}

#[test]
fn nothing_said_means_the_documented_defaults() {
    let settings = settings("").unwrap();
    assert_eq!(settings, Settings::default());
    let shown: Vec<String> = settings.listen.data.iter().map(ToString::to_string).collect();
    assert_eq!(shown, ["0.0.0.0:42042", "[::]:42042"]);
    assert_eq!((settings.listen.control_tcp, settings.listen.control_quic), (42042, 42043));
    assert!(settings.listen.port_mapping);
    assert_eq!(settings.session.rotate_after, Duration::from_secs(120));
    assert_eq!(settings.session.rotate_after_packets, 16_777_216);
    assert_eq!(settings.session.max_clock_skew, Duration::from_secs(60));
    assert_eq!((settings.tun.name.as_str(), settings.tun.mtu), ("hollow0", Mtu::Auto));
    assert_eq!((settings.dns.listen.to_string().as_str(), settings.dns.port), ("127.42.0.53", 53));
    assert_eq!(settings.dashboard.listen.to_string(), "127.0.0.1:42080");
}

#[test]
fn every_key_is_understood() {
    let settings = settings(
        r#"
        node = { name = "Alice" }
        [listen]
        data = ["192.0.2.1:1", "[2001:db8::1]:2"]
        control_tcp = 0
        control_quic = 0
        port_mapping = false
        [session]
        rotate_after = "5s"
        rotate_after_packets = 100
        max_clock_skew = "2m"
        cipher = "chacha20-poly1305"
        [tun]
        name = "mesh0"
        mtu = 1280
        enabled = false
        [network.home.listen]
        data = "0.0.0.0:7"
        [network.home.tun]
        mtu = "auto"
        [dns]
        enabled = false
        upstream = ["tls://9.9.9.9#dns.quad9.net", "9.9.9.9", "[2620:fe::fe]:5353"]
        integrate = "off"
        port = 5353
        listen = "127.0.0.2"
        [relay]
        enabled = false
        [dashboard]
        listen = "[::1]:1"
        places = "/var/lib/GeoIP/GeoLite2-City.mmdb"
        "#,
    )
    .unwrap();
    assert_eq!(settings.node.name.as_ref().unwrap().as_str(), "alice");
    assert_eq!((settings.listen.data.len(), settings.listen.port_mapping), (2, false));
    assert_eq!(settings.session.rotate_after, Duration::from_secs(5));
    assert_eq!(settings.session.cipher, Cipher::ChaCha20Poly1305);
    assert_eq!((settings.tun.mtu, settings.tun.enabled), (Mtu::Fixed(1280), false));
    assert_eq!((settings.dns.integrate, settings.relay.enabled), (Integrate::Off, RelayEnabled::Off));
    assert_eq!(settings.dashboard.places.unwrap().to_str().unwrap(), "/var/lib/GeoIP/GeoLite2-City.mmdb");
    let Upstream::Servers(servers) = &settings.dns.upstream else { panic!("{:?}", settings.dns) };
    let certificate_name = "dns.quad9.net".to_owned();
    assert_eq!(servers[0].transport, DnsTransport::Tls { certificate_name });
    let addresses: Vec<String> = servers.iter().map(|s| s.address.to_string()).collect();
    assert_eq!(addresses, ["9.9.9.9:853", "9.9.9.9:53", "[2620:fe::fe]:5353"]);
}

#[test]
fn the_first_network_gets_the_ports_and_the_name_and_others_get_free_ones() {
    let settings = settings("[tun]\nname = \"mesh0\"\n[network.work.listen]\ncontrol_tcp = 7").unwrap();
    let (home, work) = ("home".parse().unwrap(), "work".parse().unwrap());
    let first = settings.network(&home, 0);
    assert_eq!((first.tun.name.as_str(), first.listen.control_quic), ("mesh0", 42043));
    let second = settings.network(&work, 1);
    assert_eq!((second.tun.name.as_str(), second.listen.control_quic), ("hollow1", 0));
    assert_eq!((second.listen.control_tcp, second.listen.data[0].port()), (7, 0));
}

#[test]
fn an_unknown_key_is_refused_with_file_line_key_and_what_is_legal() {
    let message = refusal("[session]\nrotate_after = \"5s\"\nrotate_afterr = \"5s\"\n");
    assert!(message.starts_with("holloway.toml:3: key session.rotate_afterr: is unknown; "), "{message}");
    assert!(message.contains("rotate_after_packets"), "{message}");
    assert!(refusal("\n[sesion]\n").starts_with("holloway.toml:2: key sesion: is unknown; legal here: [node]"));
    assert!(refusal("name = \"x\"").starts_with("holloway.toml:1: key name: is unknown"));
    assert!(refusal("[network.home.dns]\n").contains("key network.home.dns: is unknown; legal here: listen, tun"));
    assert!(refusal("[network.home.tun]\nsize = 1").contains(":2: key network.home.tun.size: is unknown"));
    assert!(refusal("[tun]\nname = \"a\"\n[tun.x]\ny = 1").contains(":3: key tun.x: is unknown"));
}

#[test]
fn a_wrong_type_is_refused_with_file_line_key_and_what_is_legal() {
    for (text, expected) in [
        ("[node]\nname = 1", ":2: key node.name: is an integer; a string is expected"),
        ("[tun]\n\nenabled = \"true\"", ":3: key tun.enabled: is a string; true or false is expected"),
        ("[listen]\ncontrol_tcp = \"1\"", ":2: key listen.control_tcp: is a string; an integer from 0 to 65535"),
        ("[listen]\ndata = [1]", ":2: key listen.data: is a list; a list of strings is expected"),
        ("[dns]\nport = 5.3", ":2: key dns.port: is a float"),
        ("[dns]\nport = 99999999999999999999", ":2: key dns.port: is an integer beyond 64 bits"),
        ("[session.cipher]\nx = 1", ":1: key session.cipher: is a table; a string is expected"),
        ("session = 3", ":1: key session: is an integer; the section [session] is expected"),
        ("[network]\nhome = 3", ":2: key network.home: is an integer; the section [network.home] is expected"),
        ("[[tun]]\nname = \"x\"", ":1: key tun: is a list; the section [tun] is expected"),
        ("[relay]\nenabled = 1", ":2: key relay.enabled: is an integer"),
    ] {
        let message = refusal(text);
        assert!(message.contains(expected), "{message}");
    }
}

#[test]
fn a_key_written_twice_is_refused_with_file_line_and_key() {
    let message = refusal("[tun]\nname = \"a\"\nname = \"b\"\n");
    assert!(message.starts_with("holloway.toml:3: key name: is written twice"), "{message}");
    assert!(refusal("[tun]\n[dns]\n[tun]\n").starts_with("holloway.toml:3: key tun: is written twice"));
    assert!(refusal("[network.home.tun]\n[network.HOME.tun]\n").contains("is written twice, in different letter case"));
}

#[test]
fn values_are_legal_up_to_their_bounds_and_not_beyond() {
    for (section, key, legal, illegal) in [
        (
            "session",
            "rotate_after",
            vec!["\"1s\"", "\"3600s\"", "\"1h\""],
            vec!["\"999ms\"", "\"3601s\"", "\"\"", "\"5\""],
        ),
        ("session", "rotate_after_packets", vec!["100", "16777216"], vec!["99", "16777217", "-1"]),
        ("session", "max_clock_skew", vec!["\"1s\"", "\"300s\""], vec!["\"0s\"", "\"301s\""]),
        ("session", "cipher", vec!["\"auto\""], vec!["\"rot13\"", "\"none\""]),
        ("listen", "control_tcp", vec!["0", "65535"], vec!["-1", "65536"]),
        ("listen", "data", vec!["\"0.0.0.0:0\""], vec!["\"0.0.0.0\"", "[]", "\"localhost:1\""]),
        ("tun", "mtu", vec!["1280", "65535", "\"auto\""], vec!["1279", "65536", "\"1400\""]),
        (
            "tun",
            "name",
            vec!["\"fifteen-letters\""],
            vec!["\"sixteen--letters\"", "\"\"", "\"a/b\"", "\"..\"", "\"a b\""],
        ),
        ("dns", "port", vec!["1", "65535"], vec!["0", "65536"]),
        ("dns", "listen", vec!["\"127.0.0.2\""], vec!["\"127.0.0.1\"", "\"0.0.0.0\"", "\"192.0.2.1\"", "\"::1\""]),
        (
            "dns",
            "upstream",
            vec!["\"recursive\"", "[\"system\"]", "[\"9.9.9.9:53\"]"],
            vec![
                "[]",
                "[\"system\", \"9.9.9.9\"]",
                "\"dns.quad9.net\"",
                "[\"9.9.9.9:0\"]",
                "\"tls://x\"",
                "\"https://9.9.9.9\"",
            ],
        ),
        ("dns", "integrate", vec!["\"off\""], vec!["\"on\""]),
        (
            "node",
            "name",
            vec!["\"bob-2\""],
            vec!["\"a.b\"", "\"-a\"", "\"a\\nb\"", "\"\\u001b[31m\"", "\"$(id)\"", "\"\\u202e\""],
        ),
    ] {
        for value in legal {
            let text = format!("[{section}]\n{key} = {value}");
            assert!(settings(&text).is_ok(), "{text}");
        }
        for value in illegal {
            let message = refusal(&format!("[{section}]\n{key} = {value}"));
            let place = format!("holloway.toml:2: key {section}.{key}: ");
            assert!(message.starts_with(&place), "{message}");
        }
    }
}

#[test]
fn a_dashboard_that_others_could_reach_needs_the_operators_explicit_word() {
    for address in ["0.0.0.0:42080", "[::]:42080", "192.0.2.1:42080", "[::ffff:192.0.2.1]:1"] {
        let message = refusal(&format!("[dashboard]\nlisten = \"{address}\""));
        assert!(message.contains(":2: key dashboard.listen") && message.contains("allow_remote = true"), "{message}");
        let allowed = format!("[dashboard]\nallow_remote = true\nlisten = \"{address}\"");
        assert_eq!(settings(&allowed).unwrap().dashboard.listen, address.parse().unwrap());
    }
}

#[test]
fn a_flag_wins_over_a_variable_and_a_variable_over_the_file() {
    let file = "[session]\nrotate_after = \"10s\"\n[tun]\nenabled = true\n[listen]\ncontrol_tcp = 1";
    let typed = Typed::from_toml(Path::new("holloway.toml"), file).unwrap();
    let lookup = |name: &str| match name {
        "HOLLOWAY_SESSION_ROTATE_AFTER" => Some("20s".to_owned()),
        "HOLLOWAY_TUN_ENABLED" => Some("false".to_owned()),
        "HOLLOWAY_LISTEN_DATA" => Some("0.0.0.0:1, [::]:2".to_owned()),
        _ => None,
    };
    let typed = typed.with_environment(lookup).with_flag("session.rotate_after", "--rotate-after", "30s");
    let settings = Settings::new(typed).unwrap();
    assert_eq!(settings.session.rotate_after, Duration::from_secs(30));
    assert_eq!((settings.tun.enabled, settings.listen.control_tcp), (false, 1));
    assert_eq!(settings.listen.data.len(), 2);
}

#[test]
fn a_wrong_flag_or_variable_is_named_as_such() {
    let wrong = Typed::default().with_flag("dns.port", "--dns-port", "x");
    let message = Settings::new(wrong).unwrap_err().to_string();
    assert!(message.starts_with("--dns-port: key dns.port: "), "{message}");
    let wrong = Typed::default().with_environment(|name| (name == "HOLLOWAY_TUN_MTU").then(|| "9".to_owned()));
    let message = Settings::new(wrong).unwrap_err().to_string();
    assert!(message.starts_with("HOLLOWAY_TUN_MTU: key tun.mtu: "), "{message}");
}

#[test]
fn a_missing_file_holds_no_decisions() {
    let dir = tempfile::tempdir().unwrap();
    let typed = load(&dir.path().join("holloway.toml")).unwrap();
    assert_eq!(Settings::new(typed).unwrap(), Settings::default());
}

#[test]
fn a_byte_order_mark_is_accepted_and_counts_no_line() {
    let (_dir, path) = file(b"\xef\xbb\xbf[tun]\nmtu = 1400\n");
    assert_eq!(Settings::new(load(&path).unwrap()).unwrap().tun.mtu, Mtu::Fixed(1400));
    let (_dir, path) = file(b"\xef\xbb\xbf[tun]\nmtu = 1\n");
    let message = Settings::new(load(&path).unwrap()).unwrap_err().to_string();
    assert!(message.contains("holloway.toml:2: key tun.mtu"), "{message}");
}

#[test]
fn a_directory_a_fifo_and_a_device_are_refused_without_waiting() {
    let dir = tempfile::tempdir().unwrap();
    assert!(load(dir.path()).unwrap_err().to_string().contains("is a directory"));
    let fifo = dir.path().join("fifo");
    assert!(std::process::Command::new("mkfifo").arg(&fifo).status().unwrap().success());
    assert!(load(&fifo).unwrap_err().to_string().contains("pipe"));
    assert!(load(Path::new("/dev/zero")).unwrap_err().to_string().contains("device"));
}

#[test]
fn a_file_of_64_kib_is_read_and_a_larger_one_refused_whatever_its_size() {
    let (_dir, path) = file(&vec![b'\n'; 64 * 1024]);
    assert!(load(&path).is_ok());
    let (_dir, path) = file(&vec![b'\n'; 64 * 1024 + 1]);
    assert!(load(&path).unwrap_err().to_string().contains("larger than"));
    let (_dir, path) = file(b"");
    fs::OpenOptions::new().write(true).open(&path).unwrap().set_len(1 << 30).unwrap();
    assert!(load(&path).unwrap_err().to_string().contains("larger than"));
}

#[test]
fn invalid_utf_8_is_refused_with_its_line() {
    let (_dir, path) = file(b"[tun]\n# \xff\n");
    let message = load(&path).unwrap_err().to_string();
    assert!(message.contains("holloway.toml:2: not UTF-8"), "{message}");
}

#[test]
fn what_is_not_toml_is_refused_with_its_line_and_without_control_characters() {
    for text in ["[tun]\nname", "[tun\n", "=", "[tun]\nname = \"\u{1b}[31m\"", "\u{0}"] {
        let message = refusal(text);
        assert!(message.starts_with("holloway.toml:"), "{message}");
        assert!(!message.chars().any(char::is_control), "{message:?}");
    }
    let nested = format!("x = {}", "[".repeat(10_000));
    assert!(settings(&nested).is_err());
    let dotted = format!("{} = 1", vec!["a"; 5_000].join("."));
    assert!(settings(&dotted).is_err());
}

proptest! {
    #[test]
    fn arbitrary_bytes_never_panic(bytes in proptest::collection::vec(any::<u8>(), 0..2048)) {
        let mut file = tempfile::NamedTempFile::new().unwrap();
        file.write_all(&bytes).unwrap();
        if let Ok(typed) = load(file.path()) {
            let _ = Settings::new(typed);
        }
    }

    #[test]
    fn arbitrary_values_of_known_keys_are_understood_or_refused_in_one_line(
        key in proptest::sample::select(vec![
            "node.name", "listen.data", "listen.control_tcp", "session.rotate_after", "session.cipher", "tun.name",
            "tun.mtu", "dns.upstream", "dns.listen", "dns.port", "relay.enabled", "dashboard.listen", "network.home.tun.mtu",
        ]),
        value in "\\PC{0,40}",
        form in 0..3,
    ) {
        let quoted = format!("\"{}\"", value.replace('\\', "\\\\").replace('"', "\\\""));
        let typed = match form { 0 => value, 1 => quoted, _ => format!("[{quoted}]") };
        if let Err(error) = settings(&format!("{key} = {typed}")) {
            prop_assert_eq!(error.to_string().lines().count(), 1);
        }
    }
}
