// Reads a published log with the library of Go's checksum database: the checkpoint's
// signature, and for each entry its record, its inclusion and the tree's consistency.
//
// Usage: main VERIFIER-KEY FOLDER
package main

import (
	"encoding/binary"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"golang.org/x/mod/sumdb/note"
	"golang.org/x/mod/sumdb/tlog"
)

const height = 8

func check(err error) {
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

// tiles reads hash tiles of a folder.
type tiles struct{ folder string }

func (t tiles) Height() int { return height }

func (t tiles) ReadTiles(wanted []tlog.Tile) ([][]byte, error) {
	var all [][]byte
	for _, tile := range wanted {
		// The library puts the height into the path, tlog-tiles does not.
		path := strings.Replace(tile.Path(), fmt.Sprintf("tile/%d/", height), "tile/", 1)
		data, err := os.ReadFile(filepath.Join(t.folder, path))
		if err != nil {
			return nil, err
		}
		all = append(all, data)
	}
	return all, nil
}

func (t tiles) SaveTiles([]tlog.Tile, [][]byte) {}

// entries returns the entries of a log of this size.
func entries(folder string, size int64) [][]byte {
	var all [][]byte
	for n := int64(0); n*256 < size; n++ {
		tile := tlog.Tile{H: height, L: -1, N: n, W: int(min(256, size-n*256))}
		path := strings.Replace(tile.Path(), fmt.Sprintf("tile/%d/data/", height), "tile/entries/", 1)
		data, err := os.ReadFile(filepath.Join(folder, path))
		check(err)
		for len(data) > 0 {
			length := int(binary.BigEndian.Uint16(data))
			all = append(all, data[2:2+length])
			data = data[2+length:]
		}
	}
	return all
}

func min(a, b int64) int64 {
	if a < b {
		return a
	}
	return b
}

func main() {
	verifier, err := note.NewVerifier(os.Args[1])
	check(err)
	folder := os.Args[2]
	text, err := os.ReadFile(filepath.Join(folder, "checkpoint"))
	check(err)
	signed, err := note.Open(text, note.VerifierList(verifier))
	check(err)
	var origin, root string
	var size int64
	_, err = fmt.Sscanf(signed.Text, "%s\n%d\n%s\n", &origin, &size, &root)
	check(err)
	hash, err := tlog.ParseHash(root)
	check(err)
	tree := tlog.Tree{N: size, Hash: hash}
	reader := tlog.TileHashReader(tree, tiles{folder})
	found := entries(folder, size)
	if int64(len(found)) != size {
		check(fmt.Errorf("%d entries in a log of %d", len(found), size))
	}
	for index, entry := range found {
		proof, err := tlog.ProveRecord(size, int64(index), reader)
		check(err)
		check(tlog.CheckRecord(proof, size, hash, int64(index), tlog.RecordHash(entry)))
	}
	for old := int64(1); old <= size; old += 37 {
		before, err := tlog.TreeHash(old, reader)
		check(err)
		proof, err := tlog.ProveTree(size, old, reader)
		check(err)
		check(tlog.CheckTree(proof, size, hash, old, before))
	}
	fmt.Printf("%s: %d entries verified\n", origin, size)
}
