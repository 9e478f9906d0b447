package store

// For tests that need storetest, which this package cannot import.
var (
	CheckBlocks  = checkBlocks
	BlockChanges = blockChanges
)
