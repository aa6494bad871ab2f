-- A table of projects for an app that has none yet, under the names Cliprelay expects by default
-- (SUPABASE_PROJECT_COLUMNS). An app that has its own needs nothing of this. Running it again changes nothing.

begin;
-- No word about what is not there yet, or any more.
set local client_min_messages = warning;

create table if not exists public.projects (
  id uuid primary key default gen_random_uuid(),
  user_id uuid not null default auth.uid(),
  video_url text,
  status text not null default 'draft',
  folders jsonb not null default '{}',
  created_at timestamptz not null default now(),
  updated_at timestamptz not null default now()
);

-- Users see, add and delete their own projects. What a job found out is written by the service, whose key is not subject to this.
alter table public.projects enable row level security;
drop policy if exists projects_of_their_owner on public.projects;
create policy projects_of_their_owner on public.projects for all to authenticated
  using (user_id = auth.uid()) with check (user_id = auth.uid());
create index if not exists projects_by_owner on public.projects (user_id);

notify pgrst, 'reload schema';

commit;
