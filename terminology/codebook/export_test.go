package codebook

// Read opens the bytes of a file.
var Read = read
