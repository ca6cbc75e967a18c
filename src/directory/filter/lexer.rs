//! The smallest parts of a filter: words, quoted texts and operators, each at its place.

use super::FilterError;

/// A walk over a filter's characters. Places are counted in characters, as clients count.
pub(super) struct Lexer {
    /// The filter.
    characters: Vec<char>,
    /// The character that is next.
    position: usize,
}

/// A word that is not quoted.
pub(super) struct Word {
    /// The characters it stands for, without its star.
    pub(super) text: String,
    /// The place of the star it ends in.
    pub(super) star: Option<usize>,
}

/// What stands between or before operands.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Operator {
    /// Both sides match.
    And,
    /// One side matches.
    Or,
    /// What follows does not match.
    Not,
    /// What follows matches.
    Required,
}

impl Operator {
    /// The operators that are whole words.
    const WORDS: [(&str, Self); 5] =
        [("AND", Self::And), ("&&", Self::And), ("OR", Self::Or), ("||", Self::Or), ("NOT", Self::Not)];

    /// Whether a bare word of these characters would be an operator.
    pub(super) fn is_word(text: &str) -> bool {
        Self::WORDS.iter().any(|(word, _)| *word == text)
    }
}

impl Lexer {
    /// A walk from the first character on.
    pub(super) fn new(text: &str) -> Self {
        Self { characters: text.chars().collect(), position: 0 }
    }

    /// The place of the next character.
    pub(super) fn position(&self) -> usize {
        self.position
    }

    /// The next character.
    pub(super) fn peek(&self) -> Option<char> {
        self.characters.get(self.position).copied()
    }

    /// Steps over the next character if it is this one.
    pub(super) fn take(&mut self, wanted: char) -> bool {
        let found = self.peek() == Some(wanted);
        self.position += usize::from(found);
        found
    }

    /// Steps over white space.
    pub(super) fn skip_white_space(&mut self) {
        while self.peek().is_some_and(char::is_whitespace) {
            self.position += 1;
        }
    }

    /// Whether a word is over here: at white space, a parenthesis or the end.
    pub(super) fn at_end_of_word(&self) -> bool {
        self.is_end_of_word(self.position)
    }

    /// Whether a word is over at this place.
    fn is_end_of_word(&self, place: usize) -> bool {
        self.characters.get(place).is_none_or(|next| next.is_whitespace() || matches!(next, '(' | ')'))
    }

    /// Whether these characters are next, and are a whole word.
    pub(super) fn at_word(&self, word: &str) -> bool {
        let rest = &self.characters[self.position..];
        let length = word.chars().count();
        word.chars().eq(rest.iter().copied().take(length)) && self.is_end_of_word(self.position + length)
    }

    /// Steps over these characters if they are next and a whole word.
    pub(super) fn take_word(&mut self, word: &str) -> bool {
        let found = self.at_word(word);
        self.position += if found { word.chars().count() } else { 0 };
        found
    }

    /// The operator that is next and how many characters it has.
    fn operator(&self) -> Option<(Operator, usize)> {
        let sign = match self.peek()? {
            '!' | '-' => Some(Operator::Not),
            // A number with its country's code; nothing is lost, since words are required anyhow.
            '+' if self.characters.get(self.position + 1).is_some_and(char::is_ascii_digit) => None,
            '+' => Some(Operator::Required),
            _ => None,
        };
        if let Some(sign) = sign {
            return Some((sign, 1));
        }
        let (word, operator) = Operator::WORDS.iter().find(|(word, _)| self.at_word(word))?;
        Some((*operator, word.chars().count()))
    }

    /// Whether this operator is next.
    pub(super) fn at_operator(&self, wanted: Operator) -> bool {
        self.operator().is_some_and(|(operator, _)| operator == wanted)
    }

    /// Steps over the next operator if it is this one.
    ///
    /// # Errors
    /// A `+` or `-` that stands alone.
    pub(super) fn take_operator(&mut self, wanted: Operator) -> Result<bool, FilterError> {
        let Some((_, length)) = self.operator().filter(|(operator, _)| *operator == wanted) else {
            return Ok(false);
        };
        let (place, first) = (self.position, self.peek());
        self.position += length;
        let stands_alone = self.at_end_of_word() && self.peek() != Some('(');
        if stands_alone && matches!(first, Some('+' | '-')) {
            return Err(FilterError::new(
                place,
                "Put what is meant right after this sign, or quotation marks around the sign.",
            ));
        }
        Ok(true)
    }

    /// Reads a word that is not quoted. It ends at white space, a parenthesis, or one of `ends`,
    /// and is empty if one of these is next.
    ///
    /// # Errors
    /// A star that is not the last character, a quotation mark, a backslash before nothing.
    pub(super) fn word(&mut self, ends: &[char]) -> Result<Word, FilterError> {
        let mut word = Word { text: String::new(), star: None };
        while !self.at_end_of_word() {
            let Some(character) = self.peek().filter(|next| !ends.contains(next)) else { break };
            if let Some(star) = word.star {
                return Err(FilterError::new(
                    star,
                    "A * stands only at the end of a value; put a backslash before it to mean the character.",
                ));
            }
            let place = self.position;
            self.position += 1;
            match character {
                '\\' => {
                    let escaped = self.peek().ok_or_else(|| {
                        FilterError::new(place, "Put the character that is meant after this backslash.")
                    })?;
                    self.position += 1;
                    word.text.push(escaped);
                }
                '*' => word.star = Some(place),
                '"' => {
                    return Err(FilterError::new(
                        place,
                        "Put quotation marks around a whole value, or a backslash before one that is meant as \
                         the character.",
                    ));
                }
                plain => word.text.push(plain),
            }
        }
        Ok(word)
    }

    /// Reads a text in quotes, of which the first is next.
    ///
    /// # Errors
    /// A quote that is not closed.
    pub(super) fn quoted(&mut self) -> Result<String, FilterError> {
        let open = self.position;
        self.position += 1;
        let mut text = String::new();
        while let Some(character) = self.peek() {
            self.position += 1;
            match (character, self.peek()) {
                ('"', _) => return Ok(text),
                ('\\', Some(escaped @ ('"' | '\\'))) => {
                    self.position += 1;
                    text.push(escaped);
                }
                (plain, _) => text.push(plain),
            }
        }
        Err(FilterError::new(open, "Close this quotation mark."))
    }
}
