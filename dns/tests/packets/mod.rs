//! DNS messages by hand, so that the server is not judged by the codec it uses.

pub(crate) const A: u16 = 1;
pub(crate) const CNAME: u16 = 5;
pub(crate) const SOA: u16 = 6;
pub(crate) const TXT: u16 = 16;
pub(crate) const AAAA: u16 = 28;
pub(crate) const OPT: u16 = 41;
pub(crate) const AXFR: u16 = 252;
pub(crate) const ANY: u16 = 255;

pub(crate) const NOERROR: u8 = 0;
pub(crate) const FORMERR: u8 = 1;
pub(crate) const SERVFAIL: u8 = 2;
pub(crate) const NXDOMAIN: u8 = 3;
pub(crate) const NOTIMP: u8 = 4;
pub(crate) const REFUSED: u8 = 5;

/// A query with RD set.
pub(crate) fn query(id: u16, name: &str, rtype: u16) -> Vec<u8> {
    let mut message = header(id, 0x0100, [1, 0, 0, 0]);
    message.extend(question(name, rtype));
    message
}

pub(crate) fn header(id: u16, flags: u16, counts: [u16; 4]) -> Vec<u8> {
    [id, flags, counts[0], counts[1], counts[2], counts[3]].iter().flat_map(|n| n.to_be_bytes()).collect()
}

pub(crate) fn question(name: &str, rtype: u16) -> Vec<u8> {
    let mut question = encoded(name);
    question.extend(rtype.to_be_bytes());
    question.extend([0, 1]);
    question
}

pub(crate) fn encoded(name: &str) -> Vec<u8> {
    let mut bytes = Vec::new();
    for label in name.trim_end_matches('.').split('.').filter(|label| !label.is_empty()) {
        bytes.push(u8::try_from(label.len()).unwrap());
        bytes.extend(label.as_bytes());
    }
    bytes.push(0);
    bytes
}

/// Adds an OPT record and counts it.
pub(crate) fn with_opt(mut message: Vec<u8>, size: u16, version: u8, flags: u16) -> Vec<u8> {
    message[11] += 1;
    message.extend([0, 0, 41]);
    message.extend(size.to_be_bytes());
    message.extend([0, version]);
    message.extend(flags.to_be_bytes());
    message.extend([0, 0]);
    message
}

#[derive(Debug)]
pub(crate) struct Record {
    pub(crate) name: String,
    pub(crate) rtype: u16,
    pub(crate) class: u16,
    pub(crate) ttl: u32,
    pub(crate) data: Vec<u8>,
}

#[derive(Debug)]
pub(crate) struct Reply {
    pub(crate) id: u16,
    pub(crate) flags: u16,
    pub(crate) question: String,
    pub(crate) answers: Vec<Record>,
    pub(crate) authority: Vec<Record>,
    pub(crate) additional: Vec<Record>,
    pub(crate) octets: usize,
}

impl Reply {
    /// Decodes a message that must be whole, and must end where its last record ends.
    pub(crate) fn decode(message: &[u8]) -> Self {
        let number = |at: usize| u16::from_be_bytes([message[at], message[at + 1]]);
        let mut at = 12;
        let mut question = String::new();
        for _ in 0..number(4) {
            question = name(message, &mut at);
            at += 4;
        }
        let mut section = |count: u16| (0..count).map(|_| record(message, &mut at)).collect::<Vec<_>>();
        let (answers, authority, additional) = (section(number(6)), section(number(8)), section(number(10)));
        assert_eq!(at, message.len(), "nothing follows the last record");
        let (id, flags) = (number(0), number(2));
        assert_ne!(flags & 0x8000, 0, "a reply is a response");
        Self { id, flags, question, answers, authority, additional, octets: message.len() }
    }

    pub(crate) fn rcode(&self) -> u8 {
        u8::try_from(self.flags & 0xf).unwrap()
    }

    pub(crate) fn authoritative(&self) -> bool {
        self.flags & 0x0400 != 0
    }

    pub(crate) fn truncated(&self) -> bool {
        self.flags & 0x0200 != 0
    }

    pub(crate) fn authentic(&self) -> bool {
        self.flags & 0x0020 != 0
    }

    pub(crate) fn opt(&self) -> Option<&Record> {
        self.additional.iter().find(|record| record.rtype == OPT)
    }
}

pub(crate) fn name(message: &[u8], at: &mut usize) -> String {
    let mut text = String::new();
    let mut here = *at;
    let mut jumped = false;
    loop {
        let length = usize::from(message[here]);
        if length & 0xc0 == 0xc0 {
            if !jumped {
                *at = here + 2;
            }
            jumped = true;
            here = (length & 0x3f) << 8 | usize::from(message[here + 1]);
        } else if length == 0 {
            if !jumped {
                *at = here + 1;
            }
            return text;
        } else {
            text.push_str(&String::from_utf8_lossy(&message[here + 1..=here + length]));
            text.push('.');
            here += length + 1;
        }
    }
}

fn record(message: &[u8], at: &mut usize) -> Record {
    let name = name(message, at);
    let number = |at: usize| u16::from_be_bytes([message[at], message[at + 1]]);
    let (rtype, class) = (number(*at), number(*at + 2));
    let ttl = u32::from(number(*at + 4)) << 16 | u32::from(number(*at + 6));
    let length = usize::from(number(*at + 8));
    let data = message[*at + 10..*at + 10 + length].to_vec();
    *at += 10 + length;
    Record { name, rtype, class, ttl, data }
}
