module github.com/goddardmq/goddard/internal/test/clients/frame

go 1.26
