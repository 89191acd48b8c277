"""The operations of each service: a package a service, a module a resource."""
