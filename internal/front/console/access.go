package console

func accessRoutes() []route {
	all := []route{
		{method: "GET", path: "/users", action: actList, resource: anyCluster, what: "users"},
		{method: "POST", path: "/users", action: actCreate, resource: anyCluster, what: "create a user"},
		{method: "PATCH", path: "/users/{user}", action: actUpdate, resource: anyCluster, what: "change a user"},
		{method: "DELETE", path: "/users/{user}", action: actDelete, resource: anyCluster, what: "delete a user"},
		{method: "GET", path: "/acls", action: actList, resource: anyCluster, what: "who may do what"},
		{method: "POST", path: "/acls", action: actCreate, resource: anyCluster, what: "allow or deny something"},
		{method: "PATCH", path: "/acls/{subject}", action: actUpdate, resource: anyCluster, what: "change what a user may do"},
		{method: "DELETE", path: "/acls/{subject}", action: actDelete, resource: anyCluster, what: "delete what was said about a user"},
	}
	for i := range all {
		all[i].serve = noAccess
	}
	return all
}

// noAccess answers until the brokers have users.
func noAccess(*request) (any, error) {
	return nil, notSupported("this version has no access control; ROADMAP.md says what is missing")
}
