// Package seal owns the form of files that are sealed with AES-256-GCM: pages,
// for files that are written once and read anywhere, and frames, for logs that
// grow by small durable pieces and are read from their start.
//
// A sealed file begins with a header of 64 bytes:
//
//	"\x89TRNSEAL" form(1) zero(3) key number(4) salt(32) tag(16)
//
// Its own key is derived, by HKDF with SHA-256, from the data key of that
// number, the salt, and the form. So no two files share a key, and a nonce only
// has to be new within its file: it is the number of the page, or the place of
// the frame. The tag proves that the data key is the right one and that the
// header was not altered.
//
// Numbers are big-endian. A page of the form Pages is 4,096 bytes and a tag of
// 16. One of the form Aligned is 4,080 bytes and the tag, and the first 4,016, so
// that each page of the file is one of the disk's, the header within the first:
// what is read anywhere takes as few of those as it would without sealing. The
// last page is shorter, has its own nonce, and is always there, so that a file
// that was cut off is noticed. A frame is
//
//	length(4) synced(8) bytes(length) tag(16)
//
// where synced is how much of the file was durable when the frame was written.
// A frame that cannot be opened ends the file where nothing durable follows, as
// after a power failure; else it was altered.
//
// It leaves to others: where data keys are kept (crypt/keyring), and the file
// system that storage sees (crypt/sealfs). https://csrc.nist.gov/pubs/sp/800/38/d/final
package seal
