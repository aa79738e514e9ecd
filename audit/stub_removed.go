package audit

// actionRemoved is the action of the record that segments were archived and
// removed; its entity is the number of the last one.
const actionRemoved = "segments-removed"
