//! Bars of numbers by day, as the shapes of a picture: where each is and how tall. The colours are for
//! the style to say.

use minijinja::{Value, context};

/// How wide a bar is, with the room beside it.
const STEP: u64 = 20;
/// How much of that is room.
const ROOM: u64 = 4;
/// How tall the tallest bar is.
const HEIGHT: u64 = 64;

/// A picture of numbers, each with the day it is of.
pub(super) fn bars(numbers: &[(String, u64)]) -> Value {
    let most = numbers.iter().map(|(_, number)| *number).max().unwrap_or(0);
    let bars = (0..).zip(numbers).map(|(place, (day, number))| {
        let height = height(*number, most);
        context! {
            x => place * STEP,
            y => HEIGHT - height,
            width => STEP - ROOM,
            height,
            day => day.as_str(),
            number => *number,
        }
    });
    context! {
        width => numbers.len() as u64 * STEP - ROOM.min(numbers.len() as u64 * STEP),
        height => HEIGHT,
        most,
        bars => bars.collect::<Vec<_>>(),
    }
}

/// How tall a bar is beside the tallest. Little is seen all the same.
fn height(number: u64, most: u64) -> u64 {
    if number == 0 { 0 } else { (number.saturating_mul(HEIGHT) / most).max(2) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_tallest_bar_fills_the_picture_and_nothing_is_nothing() {
        assert_eq!(
            [height(0, 0), height(0, 9), height(9, 9), height(3, 9), height(1, 1_000_000)],
            [0, 0, 64, 21, 2]
        );
        assert_eq!(bars(&[]).get_attr("width").unwrap(), Value::from(0));
    }
}
