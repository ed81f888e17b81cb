//! What keys mean. Knows the terminal's events, not what is shown.

use crossterm::event::{KeyCode, KeyEvent, KeyEventKind, KeyModifiers};

use super::model::{Key, Motion};

/// What the help says of the keys.
pub(super) const HELP: [(&str, &str); 8] = [
    ("q, Ctrl-C", "quit"),
    ("Esc", "back; from the list: quit"),
    ("up, down, k, j", "select a peer; in its details: scroll"),
    ("PgUp, PgDn, Home, End", "the same in larger steps"),
    ("Enter", "why the selected peer is reached as it is, and back"),
    ("s", "order by traffic, name, rtt or last packet"),
    ("p, space", "pause and go on"),
    ("?, h", "this help, and back"),
];

/// What an event of the keyboard means, if anything.
#[expect(clippy::wildcard_enum_match_arm, reason = "a keyboard has more keys than we have uses for")]
pub(super) fn meaning(event: KeyEvent) -> Option<Key> {
    if event.kind == KeyEventKind::Release {
        return None;
    }
    if event.modifiers.intersects(KeyModifiers::CONTROL | KeyModifiers::ALT) {
        let is_interrupt = event.code == KeyCode::Char('c') && event.modifiers == KeyModifiers::CONTROL;
        return is_interrupt.then_some(Key::Quit);
    }
    Some(match event.code {
        KeyCode::Char('q') => Key::Quit,
        KeyCode::Esc => Key::Back,
        KeyCode::Up | KeyCode::Char('k') => Key::Move(Motion::Up),
        KeyCode::Down | KeyCode::Char('j') => Key::Move(Motion::Down),
        KeyCode::PageUp => Key::Move(Motion::PageUp),
        KeyCode::PageDown => Key::Move(Motion::PageDown),
        KeyCode::Home | KeyCode::Char('g') => Key::Move(Motion::First),
        KeyCode::End | KeyCode::Char('G') => Key::Move(Motion::Last),
        KeyCode::Enter => Key::Details,
        KeyCode::Char('s') => Key::Order,
        KeyCode::Char('p' | ' ') => Key::Pause,
        KeyCode::Char('?' | 'h') => Key::Help,
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pressed(code: KeyCode, modifiers: KeyModifiers) -> Option<Key> {
        meaning(KeyEvent::new(code, modifiers))
    }

    #[test]
    fn control_c_quits_although_the_terminal_sends_no_signal() {
        assert_eq!(pressed(KeyCode::Char('c'), KeyModifiers::CONTROL), Some(Key::Quit));
        assert_eq!(pressed(KeyCode::Char('c'), KeyModifiers::NONE), None);
        assert_eq!(pressed(KeyCode::Char('q'), KeyModifiers::CONTROL), None);
    }

    #[test]
    fn letters_do_what_arrows_do() {
        for (arrow, letter) in [(KeyCode::Up, 'k'), (KeyCode::Down, 'j')] {
            assert_eq!(pressed(arrow, KeyModifiers::NONE), pressed(KeyCode::Char(letter), KeyModifiers::NONE));
        }
    }

    #[test]
    fn a_key_that_is_let_go_of_means_nothing() {
        let event = KeyEvent::new_with_kind(KeyCode::Char('q'), KeyModifiers::NONE, KeyEventKind::Release);
        assert_eq!(meaning(event), None);
    }

    #[test]
    fn shift_makes_the_letter_and_nothing_else() {
        assert_eq!(pressed(KeyCode::Char('G'), KeyModifiers::SHIFT), Some(Key::Move(Motion::Last)));
        assert_eq!(pressed(KeyCode::Char('?'), KeyModifiers::SHIFT), Some(Key::Help));
    }
}
