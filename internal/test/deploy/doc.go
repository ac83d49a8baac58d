// Package deploy checks what is in the directory deploy with the tools of those
// who will read it, as far as they are on this machine: `make deploy`. No image
// is built or run here.
package deploy
