package store

// CheckBlocks is for tests that need storetest, which this package cannot import.
var CheckBlocks = checkBlocks
