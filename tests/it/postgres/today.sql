-- The default rights of a project made since 2026: what is new in schema public is nobody's until it is granted. Run by the
-- superuser, after surroundings.sql.

alter default privileges for role postgres in schema public revoke all on tables from anon, authenticated, service_role;
alter default privileges for role postgres in schema public revoke all on functions from anon, authenticated, service_role;
alter default privileges for role postgres in schema public revoke all on sequences from anon, authenticated, service_role;
