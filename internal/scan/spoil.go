//go:build !race

package scan

// spoils says whether what a Finding is called is overwritten when the next one is asked for.
const spoils = false
