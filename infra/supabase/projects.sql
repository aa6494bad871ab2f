-- A table of projects for an app that has none yet, under the names Cliprelay expects by default
-- (SUPABASE_PROJECT_COLUMNS). Where there is something of that name already, whoever made it, nothing at all is done: neither
-- its rights nor its policies are ours to change.

begin;

do $$
begin
  if to_regclass('public.projects') is not null then
    raise notice 'cliprelay: public.projects is there already and stays as it is';
    return;
  end if;

  create table public.projects (
    id uuid primary key default gen_random_uuid(),
    user_id uuid not null default auth.uid(),
    video_url text,
    status text not null default 'draft',
    folders jsonb not null default '{}',
    created_at timestamptz not null default now(),
    updated_at timestamptz not null default now()
  );
  create index projects_by_owner on public.projects (user_id);

  -- Rights are said, not hoped for: new tables had all of them on older projects of Supabase, and have none on newer ones. These
  -- roles exist on Supabase, not on a plain Postgres.
  alter table public.projects enable row level security;
  if exists (select from pg_catalog.pg_roles where rolname = 'anon') then
    revoke all on public.projects from anon;
  end if;
  -- Users see, add, change and delete their own projects.
  if exists (select from pg_catalog.pg_roles where rolname = 'authenticated') then
    revoke all on public.projects from authenticated;
    grant select, insert, update, delete on public.projects to authenticated;
    create policy projects_of_their_owner on public.projects for all to authenticated
      using (user_id = auth.uid()) with check (user_id = auth.uid());
  end if;
  -- What a job found out is written by the service, whose key is not subject to policies.
  if exists (select from pg_catalog.pg_roles where rolname = 'service_role') then
    grant select, update on public.projects to service_role;
  end if;
end
$$;

notify pgrst, 'reload schema';

commit;
