//! Times as the databases write them.

use jiff::{Timestamp, civil::DateTime, tz::TimeZone};

/// Writes a time as Django writes it into SQLite, in UTC: the fraction is absent if it is 0.
pub(super) fn text(ms: i64) -> Option<String> {
    let time = Timestamp::from_millisecond(ms).ok()?.to_zoned(TimeZone::UTC).datetime();
    let seconds = time.strftime("%Y-%m-%d %H:%M:%S");
    let fraction = ms.rem_euclid(1000);
    Some(if fraction == 0 { seconds.to_string() } else { format!("{seconds}.{fraction:03}000") })
}

/// Reads a time with or without a zone; without one it is UTC. Returns milliseconds since 1970.
pub(super) fn parse(text: &str) -> Option<i64> {
    if let Ok(time) = text.parse::<Timestamp>() {
        return Some(time.as_millisecond());
    }
    of_civil(text.parse::<DateTime>().ok()?)
}

/// Reads the parts of a date and time in UTC.
pub(super) fn of_parts([year, month, day]: [u16; 3], [hour, minute, second]: [u8; 3], micros: u32) -> Option<i64> {
    let (year, month, day) = (i16::try_from(year).ok()?, i8::try_from(month).ok()?, i8::try_from(day).ok()?);
    let [hour, minute, second] = [i8::try_from(hour).ok()?, i8::try_from(minute).ok()?, i8::try_from(second).ok()?];
    let nanos = i32::try_from(micros.checked_mul(1000)?).ok()?;
    of_civil(DateTime::new(year, month, day, hour, minute, second, nanos).ok()?)
}

fn of_civil(time: DateTime) -> Option<i64> {
    Some(time.to_zoned(TimeZone::UTC).ok()?.timestamp().as_millisecond())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_written_as_django_does_and_read_in_every_form() {
        let ms = 1_795_926_005_120;
        assert_eq!(text(ms).as_deref(), Some("2026-11-29 04:20:05.120000"));
        assert_eq!(text(ms - 120).as_deref(), Some("2026-11-29 04:20:05"));
        assert_eq!(text(-1).as_deref(), Some("1969-12-31 23:59:59.999000"));
        for form in [
            "2026-11-29 04:20:05.120000",
            "2026-11-29 04:20:05.12",
            "2026-11-29T04:20:05.120Z",
            "2026-11-29 12:20:05.120000+08:00",
        ] {
            assert_eq!(parse(form), Some(ms), "{form}");
        }
        assert_eq!(of_parts([2026, 11, 29], [4, 20, 5], 120_000), Some(ms));
        assert_eq!((parse("yesterday"), of_parts([2026, 2, 30], [0; 3], 0)), (None, None));
    }
}
