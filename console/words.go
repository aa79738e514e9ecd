package console

import (
	"fmt"
	"strconv"
)

// countText is a number with its thousands apart, by a space as ISO 31-0 has it:
// a narrow one that does not break.
func countText(n int) string {
	digits := strconv.Itoa(n)
	for at := len(digits) - 3; at > 0; at -= 3 {
		digits = digits[:at] + "\u202f" + digits[at:]
	}
	return digits
}

// bytesText is a size with three digits at most, in units of 1,000.
func bytesText(n int64) string {
	size, units := float64(n), []string{"B", "kB", "MB", "GB", "TB", "PB"}
	at := 0
	for size >= 999.5 && at < len(units)-1 {
		size, at = size/1000, at+1
	}
	if at > 0 && size < 9.95 {
		return fmt.Sprintf("%.1f\u202f%s", size, units[at])
	}
	return fmt.Sprintf("%.0f\u202f%s", size, units[at])
}
