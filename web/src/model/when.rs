//! Days and times as a person reads them. Pure: the caller says how far local time is from UTC.

use crate::text;

const DAY_MS: i64 = 86_400_000;

/// A moment on the local calendar.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Local {
    /// Milliseconds since 1970-01-01 00:00 local time.
    ms: i64,
}

impl Local {
    /// `offset_min` as `Date.getTimezoneOffset` gives it: minutes from local time to UTC, negative in the east.
    pub(crate) fn new(unix_ms: u64, offset_min: i32) -> Self {
        // Absurd clocks of other people are shown as absurd dates; they must not overflow.
        let unix = i64::try_from(unix_ms).unwrap_or(i64::MAX).min(253_402_300_799_000);
        Self { ms: unix - i64::from(offset_min) * 60_000 }
    }

    /// Days since 1970-01-01.
    pub(crate) fn day(self) -> i64 {
        self.ms.div_euclid(DAY_MS)
    }

    /// Year, month 1–12, day of the month.
    fn date(self) -> (i64, usize, i64) {
        // Days to civil date after Howard Hinnant: years begin in March, so that a leap day comes last.
        let z = self.day() + 719_468;
        let era = z.div_euclid(146_097);
        let doe = z.rem_euclid(146_097);
        let yoe = (doe - doe / 1460 + doe / 36_524 - doe / 146_096) / 365;
        let doy = doe - (365 * yoe + yoe / 4 - yoe / 100);
        let mp = (5 * doy + 2) / 153;
        let month = if mp < 10 { mp + 3 } else { mp - 9 };
        let year = yoe + era * 400 + i64::from(month <= 2);
        (year, usize::try_from(month).unwrap_or(1), doy - (153 * mp + 2) / 5 + 1)
    }

    /// 0 is Sunday.
    fn weekday(self) -> usize {
        usize::try_from((self.day() + 4).rem_euclid(7)).unwrap_or(0)
    }

    fn clock(self) -> String {
        let minutes = self.ms.rem_euclid(DAY_MS) / 60_000;
        format!("{:02}:{:02}", minutes / 60, minutes % 60)
    }
}

/// The heading over a day's messages.
pub(crate) fn day_heading(at: Local, now: Local) -> String {
    match now.day() - at.day() {
        0 => text::TODAY.into(),
        1 => text::YESTERDAY.into(),
        2..7 => text::WEEKDAYS[at.weekday()].into(),
        _ => date(at, now),
    }
}

/// The short form beside a conversation in the list: the time today, then the day.
pub(crate) fn list_time(at: Local, now: Local) -> String {
    match now.day() - at.day() {
        0 => at.clock(),
        1 => text::YESTERDAY.into(),
        2..7 => text::WEEKDAYS[at.weekday()][..3].into(),
        _ => {
            let (year, month, day) = at.date();
            let month = &text::MONTHS[month - 1][..3];
            if year == now.date().0 { format!("{day} {month}") } else { format!("{month} {year}") }
        }
    }
}

/// The time of day under a message.
pub(crate) fn clock(at: Local) -> String {
    at.clock()
}

/// A moment to the minute, sorted as it is read.
pub(crate) fn stamp(at: Local) -> String {
    let (year, month, day) = at.date();
    format!("{year:04}-{month:02}-{day:02} {}", at.clock())
}

/// A moment as ISO 8601 writes it, in UTC.
pub(crate) fn iso(unix_ms: u64) -> String {
    let at = Local::new(unix_ms, 0);
    let (year, month, day) = at.date();
    let ms = at.ms.rem_euclid(60_000);
    format!("{year:04}-{month:02}-{day:02}T{}:{:02}.{:03}Z", at.clock(), ms / 1000, ms % 1000)
}

/// A moment in full, for tooltips and for when an invite ends.
pub(crate) fn full(at: Local, now: Local) -> String {
    let day = match now.day() - at.day() {
        -1 => text::TOMORROW.into(),
        0 => text::TODAY_INLINE.into(),
        1 => text::YESTERDAY_INLINE.into(),
        _ => format!("{}, {}", text::WEEKDAYS[at.weekday()], date(at, now)),
    };
    format!("{day}, {}", at.clock())
}

/// Day and month, and the year when it is not this one.
fn date(at: Local, now: Local) -> String {
    let (year, month, day) = at.date();
    let month = text::MONTHS[month - 1];
    if year == now.date().0 { format!("{day} {month}") } else { format!("{day} {month} {year}") }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// 2026-11-21 10:00 UTC, a Saturday.
    const NOW: u64 = 1_795_255_200_000;
    const HOUR: u64 = 3_600_000;
    const DAY: u64 = 24 * HOUR;

    fn utc(ms: u64) -> Local {
        Local::new(ms, 0)
    }

    #[test]
    fn dates_are_those_of_the_calendar() {
        assert_eq!(utc(0).date(), (1970, 1, 1));
        assert_eq!(utc(951_782_400_000).date(), (2000, 2, 29));
        assert_eq!(utc(1_740_787_200_000).date(), (2025, 3, 1));
        assert_eq!(utc(NOW).date(), (2026, 11, 21));
        assert_eq!(utc(NOW).weekday(), 6);
        assert_eq!(utc(0).weekday(), 4);
    }

    #[test]
    fn headings_go_from_today_to_a_date() {
        let now = utc(NOW);
        assert_eq!(day_heading(utc(NOW - HOUR), now), "Today");
        assert_eq!(day_heading(utc(NOW - 11 * HOUR), now), "Yesterday");
        assert_eq!(day_heading(utc(NOW - 3 * DAY), now), "Wednesday");
        assert_eq!(day_heading(utc(NOW - 7 * DAY), now), "14 November");
        assert_eq!(day_heading(utc(NOW - 365 * DAY), now), "21 November 2025");
    }

    #[test]
    fn a_message_from_the_future_has_its_date() {
        assert_eq!(day_heading(utc(NOW + 3 * DAY), utc(NOW)), "24 November");
        assert_eq!(full(utc(NOW + DAY), utc(NOW)), "tomorrow, 10:00");
    }

    #[test]
    fn the_list_is_short() {
        let now = utc(NOW);
        assert_eq!(list_time(utc(NOW - HOUR), now), "09:00");
        assert_eq!(list_time(utc(NOW - DAY), now), "Yesterday");
        assert_eq!(list_time(utc(NOW - 2 * DAY), now), "Thu");
        assert_eq!(list_time(utc(NOW - 30 * DAY), now), "22 Oct");
        assert_eq!(list_time(utc(NOW - 400 * DAY), now), "Oct 2025");
    }

    #[test]
    fn the_zone_moves_the_day() {
        let tokyo = |ms| Local::new(ms, -540);
        assert_eq!(clock(tokyo(NOW)), "19:00");
        assert_eq!(tokyo(NOW + 5 * HOUR).day(), utc(NOW).day() + 1);
        assert_eq!(Local::new(0, 480).date(), (1969, 12, 31));
    }

    #[test]
    fn files_have_moments_that_programs_read() {
        assert_eq!(iso(NOW + 61_007), "2026-11-21T10:01:01.007Z");
        assert_eq!(iso(u64::MAX), "9999-12-31T23:59:59.000Z");
        assert_eq!(stamp(utc(NOW)), "2026-11-21 10:00");
    }

    #[test]
    fn absurd_clocks_do_not_overflow() {
        assert_eq!(utc(u64::MAX).date(), (9999, 12, 31));
        assert_eq!(full(utc(u64::MAX), utc(NOW)), "Friday, 31 December 9999, 23:59");
    }
}
